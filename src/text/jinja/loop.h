// The `loop` of a for.
#pragma once
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "text/jinja/value.h"

namespace longhaul::jinja {

// Looks ahead as little as Jinja2 does (one item for last and nextitem, all for length), since the loop's own `if` may depend
// on what its body does.
class Loop : public Object {
 public:
  using Source = std::function<std::optional<Value>()>;
  Loop(Source source, std::optional<int64_t> length, Budget& budget)
      : source_(std::move(source)), length_(length), budget_(budget) {}
  std::string type_name() const override { return "LoopContext"; }
  std::string qualified_name() const override { return "jinja2.runtime.LoopContext"; }
  std::string shown(Budget& budget) const override;
  std::optional<Value> attribute(const std::string& name) override;

  bool advance();  // to the next item; false at the end
  const Value& current() const { return *current_; }
  int64_t index() const { return index_; }  // from 0
  bool changed(const Value& arguments);     // since the last call

 private:
  const Value* peek();
  int64_t length();

  Source source_;
  std::optional<int64_t> length_;
  Budget& budget_;
  std::deque<Value> ahead_;  // items that the source gave already
  std::optional<Value> current_, previous_, last_changed_;
  int64_t index_ = -1;
};

}  // namespace longhaul::jinja
