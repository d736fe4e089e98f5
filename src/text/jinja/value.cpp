#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/function.h"
#include "text/jinja/python_string.h"
#include "text/jinja/python_text.h"
#include "text/utf8.h"

namespace longhaul::jinja {

namespace {

constexpr const char* kSequenceNames[] = {"list",        "tuple",      "range",    "dict_keys",
                                          "dict_values", "dict_items", "generator"};

int checked(int depth) {
  check(depth <= kDeepest, "stopped: containers nested deeper than ", kDeepest);
  return depth;
}

int deepest(const std::vector<Value>& items) {
  int deepest = 0;
  for (const Value& item : items) deepest = std::max(deepest, depth_of(item));
  return deepest;
}

void check_hashable(const Value& key) {
  bool mutable_list = key.is<SequencePtr>() && key.as<SequencePtr>()->kind == Sequence::kList;
  check(!mutable_list && !key.is<DictPtr>(), "unhashable type: '", type_name(key), "'");
  if (key.is<SequencePtr>() && key.as<SequencePtr>()->kind == Sequence::kTuple)
    for (const Value& item : key.as<SequencePtr>()->items) check_hashable(item);
}

bool equal_items(const std::vector<Value>& a, const std::vector<Value>& b, Budget& budget) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (!equal(a[i], b[i], budget)) return false;
  return true;
}

bool equal_dicts(const Dict& a, const Dict& b, Budget& budget) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const Value* other = b.find(key, budget);
    if (other == nullptr || !equal(value, *other, budget)) return false;
  }
  return true;
}

bool equal_sequences(const SequencePtr& a, const SequencePtr& b, Budget& budget) {
  if (a == b) return true;
  bool comparable = a->kind == b->kind && a->kind <= Sequence::kRange;
  return comparable && equal_items(a->items, b->items, budget);
}

}  // namespace

const Value* Dict::find(std::string_view key) const {
  for (const auto& [name, value] : entries)
    if (name.is_text() && name.bytes() == key) return &value;
  return nullptr;
}

const Value* Dict::find(const Value& key, Budget& budget) const {
  check_hashable(key);
  budget.look(entries.size() * kEntryLooks);
  if (key.is_text()) return find(key.bytes());
  for (const auto& [name, value] : entries)
    if (equal(name, key, budget)) return &value;
  return nullptr;
}

void Dict::set(const Value& key, const Value& value, Budget& budget) {
  depth = checked(std::max({depth, 1 + depth_of(key), 1 + depth_of(value)}));
  if (const Value* old = find(key, budget)) {
    for (auto& entry : entries)
      if (&entry.second == old) entry.second = value;
    return;
  }
  budget.make(sizeof(Value) * 2);
  entries.emplace_back(key, value);
}

Value text(std::string bytes) {
  int64_t characters = count_characters(bytes);
  return {std::make_shared<const Text>(Text{std::move(bytes), characters, false})};
}

Value boolean(bool value) { return {value}; }
Value whole(int64_t value) { return {value}; }
Value real(double value) { return {value}; }
Value undefined(std::string message) { return {Undefined{std::make_shared<const std::string>(std::move(message))}}; }

Value sequence(Sequence::Kind kind, std::vector<Value> items) {
  int depth = checked(1 + deepest(items));
  return {std::make_shared<const Sequence>(Sequence{kind, std::move(items), 0, 0, 1, 0, depth})};
}
Value list(std::vector<Value> items) { return sequence(Sequence::kList, std::move(items)); }
Value tuple(std::vector<Value> items) { return sequence(Sequence::kTuple, std::move(items)); }
Value dict(Dict entries) { return {std::make_shared<const Dict>(std::move(entries))}; }

int depth_of(const Value& value) {
  if (value.is<SequencePtr>()) return value.as<SequencePtr>()->depth;
  if (value.is<DictPtr>()) return value.as<DictPtr>()->depth;
  if (value.is<FunctionPtr>()) return 1 + depth_of(value.as<FunctionPtr>()->self);
  return 0;
}

Value from_json(const Json& json) {
  switch (json.type()) {
    case Json::value_t::null: return {};
    case Json::value_t::boolean: return boolean(json.get<bool>());
    case Json::value_t::number_integer: return whole(json.get<int64_t>());
    case Json::value_t::number_unsigned:
      check(json.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX), "wanted an integer of 64 bits, found ",
            json.get<uint64_t>());
      return whole(json.get<int64_t>());
    case Json::value_t::number_float: return real(json.get<double>());
    case Json::value_t::string:
      check(is_utf8(json.get_ref<const std::string&>()), "wanted UTF-8, found a text that is not");
      return text(json.get<std::string>());
    case Json::value_t::array: {
      std::vector<Value> items;
      for (const Json& item : json) items.push_back(from_json(item));
      return list(std::move(items));
    }
    case Json::value_t::object: {
      Dict entries;
      for (const auto& [key, item] : json.items()) {
        entries.entries.emplace_back(text(key), from_json(item));
        entries.depth = checked(std::max(entries.depth, 1 + depth_of(entries.entries.back().second)));
      }
      return dict(std::move(entries));
    }
    default: fail("wanted JSON, found binary data");
  }
}

std::string type_name(const Value& value) {
  if (value.is<None>()) return "NoneType";
  if (value.is<Undefined>()) return "Undefined";
  if (value.is<bool>()) return "bool";
  if (value.is<int64_t>()) return "int";
  if (value.is<double>()) return "float";
  if (value.is_text()) return value.as<TextPtr>()->markup ? "Markup" : "str";
  if (value.is<SequencePtr>()) return kSequenceNames[value.as<SequencePtr>()->kind];
  if (value.is<DictPtr>()) return "dict";
  if (value.is<FunctionPtr>())
    return value.as<FunctionPtr>()->self.is<None>() ? "function" : "builtin_function_or_method";
  return value.as<Object*>()->type_name();
}

Value undefined_in(const Value& object, const Value& key, Budget& budget) {
  std::string owner = object.is<None>()      ? "None"
                      : object.is<Object*>() ? object.as<Object*>()->qualified_name() + " object"
                                             : type_name(object) + " object";
  if (key.is_text()) return undefined(str("'", owner, "' has no attribute ", repr(key, budget)));
  return undefined(str(owner, " has no element ", repr(key, budget)));
}

void fail_undefined(const Value& value) { fail(*value.as<Undefined>().message); }

void require_defined(const Value& value) {
  if (value.is<Undefined>()) fail_undefined(value);
}

bool truth(const Value& value) {
  if (value.is<None>() || value.is<Undefined>()) return false;
  if (value.is_whole()) return value.whole() != 0;
  if (value.is<double>()) return value.as<double>() != 0;
  if (value.is_text()) return !value.bytes().empty();
  if (value.is<DictPtr>()) return !value.as<DictPtr>()->entries.empty();
  if (!value.is<SequencePtr>()) return true;
  const Sequence& sequence = *value.as<SequencePtr>();
  return sequence.kind == Sequence::kGenerator || !sequence.items.empty();
}

bool equal(const Value& a, const Value& b, Budget& budget) {
  budget.step();
  if (a.is_whole() && b.is_whole()) return a.whole() == b.whole();
  if (a.is_number() && b.is_number()) return a.real() == b.real();
  if (a.data.index() != b.data.index()) return false;
  if (a.is<None>() || a.is<Undefined>()) return true;
  if (a.is_text()) {
    budget.look(std::min(a.bytes().size(), b.bytes().size()));
    return a.bytes() == b.bytes();
  }
  if (a.is<SequencePtr>()) return equal_sequences(a.as<SequencePtr>(), b.as<SequencePtr>(), budget);
  if (a.is<DictPtr>())
    return a.as<DictPtr>() == b.as<DictPtr>() || equal_dicts(*a.as<DictPtr>(), *b.as<DictPtr>(), budget);
  if (a.is<FunctionPtr>()) return a.as<FunctionPtr>() == b.as<FunctionPtr>();
  return a.as<Object*>() == b.as<Object*>();
}

std::partial_ordering order(const Value& a, const Value& b, const char* symbol, Budget& budget) {
  budget.step();
  require_defined(a);
  require_defined(b);
  if (a.is_whole() && b.is_whole()) return a.whole() <=> b.whole();
  if (a.is_number() && b.is_number()) return a.real() <=> b.real();
  if (a.is_text() && b.is_text()) {  // the order of UTF-8 is that of code points
    budget.look(std::min(a.bytes().size(), b.bytes().size()));
    return a.bytes() <=> b.bytes();
  }
  if (a.is<SequencePtr>() && b.is<SequencePtr>()) {
    const Sequence &left = *a.as<SequencePtr>(), &right = *b.as<SequencePtr>();
    if (left.kind == right.kind && left.kind <= Sequence::kTuple) {
      for (size_t i = 0; i < left.items.size() && i < right.items.size(); ++i)
        if (!equal(left.items[i], right.items[i], budget)) return order(left.items[i], right.items[i], symbol, budget);
      return left.items.size() <=> right.items.size();
    }
  }
  fail("'", symbol, "' not supported between instances of '", type_name(a), "' and '", type_name(b), "'");
}

int64_t length(const Value& value) {
  if (value.is<Undefined>()) return 0;
  if (value.is_text()) return value.as<TextPtr>()->characters;
  if (value.is<DictPtr>()) return static_cast<int64_t>(value.as<DictPtr>()->entries.size());
  if (value.is<SequencePtr>() && value.as<SequencePtr>()->kind != Sequence::kGenerator)
    return static_cast<int64_t>(value.as<SequencePtr>()->items.size());
  fail("object of type '", type_name(value), "' has no len()");
}

bool contains(const Value& container, const Value& item, Budget& budget) {
  if (container.is_text()) {
    check(item.is_text(), "'in <string>' requires string as left operand, not ", type_name(item));
    budget.look(container.bytes().size());
    return find_text(container.bytes(), item.bytes()) != std::string::npos;
  }
  if (container.is<DictPtr>()) return container.as<DictPtr>()->find(item, budget) != nullptr;
  check(is_iterable(container), "argument of type '", type_name(container), "' is not iterable");
  Cursor cursor(container);
  while (std::optional<Value> found = cursor.next())
    if (equal(*found, item, budget)) return true;
  return false;
}

bool is_iterable(const Value& value) {
  return value.is<Undefined>() || value.is_text() || value.is<DictPtr>() || value.is<SequencePtr>();
}

Cursor::Cursor(const Value& value) : value_(value) {
  check(is_iterable(value), "'", type_name(value), "' object is not iterable");
}

std::optional<Value> Cursor::next() {
  if (value_.is_text()) {
    const std::string& bytes = value_.bytes();
    if (at_ >= bytes.size()) return std::nullopt;
    size_t begin = at_;
    at_ += utf8_step(std::string_view(bytes).substr(at_)).length;
    return text(bytes.substr(begin, at_ - begin));
  }
  if (value_.is<DictPtr>()) {
    const Dict& dict = *value_.as<DictPtr>();
    if (at_ >= dict.entries.size()) return std::nullopt;
    return dict.entries[at_++].first;
  }
  if (!value_.is<SequencePtr>()) return std::nullopt;
  const Sequence& sequence = *value_.as<SequencePtr>();
  size_t& at = sequence.kind == Sequence::kGenerator ? sequence.next : at_;
  if (at >= sequence.items.size()) return std::nullopt;
  return sequence.items[at++];
}

std::vector<Value> items_of(const Value& value, Budget& budget) {
  Cursor cursor(value);
  std::vector<Value> items;
  while (std::optional<Value> item = cursor.next()) {
    budget.make(sizeof(Value) + (value.is_text() ? sizeof(Text) : 0));
    items.push_back(*std::move(item));
  }
  return items;
}

}  // namespace longhaul::jinja
