// The values of a template: Python's, as far as templates see them. Lists and dictionaries never change once they are made (the
// sandbox that Hugging Face renders in forbids it too), so they can be shared and hold no cycles; what changes (namespaces,
// loops, macros) belongs to the interpreter.
#pragma once
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "text/jinja/budget.h"

namespace longhaul::jinja {

struct Text {
  std::string bytes;       // UTF-8
  int64_t characters = 0;  // code points
  bool markup = false;     // came from `safe` or `escape`: plain text added to it is escaped
  bool ascii() const { return characters == static_cast<int64_t>(bytes.size()); }
};
struct Sequence;
struct Dict;
struct Function;
class Object;
using TextPtr = std::shared_ptr<const Text>;
using SequencePtr = std::shared_ptr<const Sequence>;
using DictPtr = std::shared_ptr<const Dict>;
using FunctionPtr = std::shared_ptr<const Function>;

// Prints as nothing, is false, empty and equal to its like; anything else done with it is an error with this message.
struct Undefined {
  std::shared_ptr<const std::string> message;
};
struct None {};

struct Value {
  std::variant<None, Undefined, bool, int64_t, double, TextPtr, SequencePtr, DictPtr, FunctionPtr, Object*> data;

  template <class T>
  bool is() const {
    return std::holds_alternative<T>(data);
  }
  template <class T>
  const T& as() const {
    return std::get<T>(data);
  }
  bool is_text() const { return is<TextPtr>(); }
  const std::string& bytes() const { return as<TextPtr>()->bytes; }  // of a text
  bool is_whole() const { return is<int64_t>() || is<bool>(); }      // Python's bool is an int
  bool is_number() const { return is_whole() || is<double>(); }
  int64_t whole() const { return is<bool>() ? as<bool>() : as<int64_t>(); }
  double real() const { return is<double>() ? as<double>() : static_cast<double>(whole()); }
};

struct Sequence {
  enum Kind { kList, kTuple, kRange, kKeys, kValues, kItems, kGenerator } kind = kList;
  std::vector<Value> items;
  int64_t start = 0, stop = 0, step = 1;  // kRange: what it was made of
  mutable size_t next = 0;                // kGenerator: items before it are gone
  int depth = 1;                          // of containers in each other
};

inline constexpr size_t kEntryLooks = 16;  // a dictionary is searched from its front: what an entry costs, in looks
struct Dict {
  std::vector<std::pair<Value, Value>> entries;  // in the order of insertion
  int depth = 1;
  const Value* find(std::string_view key) const;              // nullptr: there is none
  const Value* find(const Value& key, Budget& budget) const;  // Error for a key that cannot be one (a list)
  void set(const Value& key, const Value& value, Budget& budget);
};

// What lives as long as the rendering and has an identity.
class Object {
 public:
  virtual ~Object() = default;
  virtual std::string type_name() const = 0;                            // "Namespace"
  virtual std::string qualified_name() const = 0;                       // "jinja2.utils.Namespace"
  virtual std::optional<Value> attribute(const std::string& name) = 0;  // nothing: no such attribute
  virtual std::string shown(Budget& budget) const = 0;                  // Python's repr
};

Value text(std::string bytes);
Value boolean(bool value);
Value whole(int64_t value);
Value real(double value);
Value undefined(std::string message);
// Containers. Error when they would be nested deeper than kDeepest.
inline constexpr int kDeepest = 300;
Value list(std::vector<Value> items);
Value tuple(std::vector<Value> items);
Value sequence(Sequence::Kind kind, std::vector<Value> items);
Value dict(Dict entries);
int depth_of(const Value& value);
// Error for an integer beyond 64 bits and text that is not UTF-8.
Value from_json(const Json& json);

std::string type_name(const Value& value);  // type(value).__name__: "str"
// `object` has no item or attribute `key`: "'dict object' has no attribute 'x'".
Value undefined_in(const Value& object, const Value& key, Budget& budget);
[[noreturn]] void fail_undefined(const Value& value);
// Error with its message when the value is undefined.
void require_defined(const Value& value);

bool truth(const Value& value);
bool equal(const Value& a, const Value& b, Budget& budget);
// Error "'<' not supported between instances of 'str' and 'int'"; `symbol` is that of the operation.
std::partial_ordering order(const Value& a, const Value& b, const char* symbol, Budget& budget);
int64_t length(const Value& value);                                        // Error "object of type 'int' has no len()"
bool contains(const Value& container, const Value& item, Budget& budget);  // `item in container`

// Python's iterator over a value. Error "'int' object is not iterable".
class Cursor {
 public:
  explicit Cursor(const Value& value);
  std::optional<Value> next();

 private:
  Value value_;
  size_t at_ = 0;
};
bool is_iterable(const Value& value);
std::vector<Value> items_of(const Value& value, Budget& budget);  // list(value)

}  // namespace longhaul::jinja
