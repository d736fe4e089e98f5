#include "text/jinja/loop.h"

#include "text/jinja/function.h"

namespace longhaul::jinja {

namespace {

Loop& loop_of(const Value& self) { return static_cast<Loop&>(*self.as<Object*>()); }

Value call_cycle(Interpreter&, const Value& self, const Arguments& arguments) {
  check(!arguments.positional.empty(), "no items for cycling given");
  return arguments.positional[static_cast<size_t>(loop_of(self).index()) % arguments.positional.size()];
}

Value call_changed(Interpreter&, const Value& self, const Arguments& arguments) {
  return boolean(loop_of(self).changed(tuple(arguments.positional)));
}

}  // namespace

bool Loop::advance() {
  if (peek() == nullptr) return false;
  previous_ = std::exchange(current_, ahead_.front());
  ahead_.pop_front();
  ++index_;
  return true;
}

const Value* Loop::peek() {
  if (ahead_.empty())
    if (std::optional<Value> next = source_()) ahead_.push_back(*std::move(next));
  return ahead_.empty() ? nullptr : &ahead_.front();
}

int64_t Loop::length() {
  if (!length_) {
    while (std::optional<Value> next = source_()) {
      budget_.make(sizeof(Value));
      ahead_.push_back(*std::move(next));
    }
    length_ = index_ + 1 + static_cast<int64_t>(ahead_.size());
  }
  return *length_;
}

bool Loop::changed(const Value& arguments) {
  const bool same = last_changed_ && equal(*last_changed_, arguments, budget_);
  last_changed_ = arguments;
  return !same;
}

std::string Loop::shown(Budget&) const {
  return str("<LoopContext ", index_ + 1, "/", const_cast<Loop*>(this)->length(), ">");
}

std::optional<Value> Loop::attribute(const std::string& name) {
  if (name == "index") return whole(index_ + 1);
  if (name == "index0") return whole(index_);
  if (name == "first") return boolean(index_ == 0);
  if (name == "last") return boolean(peek() == nullptr);
  if (name == "length") return whole(length());
  if (name == "revindex") return whole(length() - index_);
  if (name == "revindex0") return whole(length() - index_ - 1);
  if (name == "depth") return whole(1);
  if (name == "depth0") return whole(0);
  if (name == "previtem") return index_ == 0 ? undefined("there is no previous item") : previous_.value_or(Value());
  if (name == "nextitem") return peek() ? *peek() : undefined("there is no next item");
  if (name == "cycle" || name == "changed") {
    Function::Body body = name == "cycle" ? call_cycle : call_changed;
    return Value{std::make_shared<const Function>(Function{name, Value{static_cast<Object*>(this)}, body})};
  }
  return std::nullopt;
}

}  // namespace longhaul::jinja
