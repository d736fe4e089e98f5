#include "io/pickle.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include "base/error.h"

namespace longhaul {

namespace {

using Kind = PickleValue::Kind;

// A value takes some 70 bytes for an opcode of one; a state dict of thousands of tensors is below 1 MiB.
constexpr size_t kMostBytes = 16 << 20;

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::function<bool(const std::string&)>& allows,
         const std::string& where)
      : bytes_(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kMostBytes)),
        allows_(allows),
        where_(where) {}

  Pickle read() {
    while (!stopped_) {
      begin_ = at_;
      step(static_cast<unsigned char>(take(1)[0]));
    }
    pickle_.size = at_;
    return std::move(pickle_);
  }

 private:
  template <class... Parts>
  void require(bool holds, const Parts&... parts) const {
    check(holds, where_, ": pickle: byte ", begin_, ": ", parts...);
  }

  // ---- bytes ----

  std::string_view take(uint64_t count) {
    require(count <= bytes_.size() - at_, "wanted ", count, " more bytes, found ", bytes_.size() - at_);
    std::string_view part = bytes_.substr(at_, count);
    at_ += count;
    return part;
  }
  template <class Number>
  Number number() {
    Number value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view line() {
    size_t end = bytes_.find('\n', at_);
    require(end != std::string_view::npos, "wanted a line, found no end of it");
    std::string_view text = take(end - at_);
    take(1);
    return text;
  }
  // Two's complement, little-endian.
  int64_t long_integer() {
    auto size = number<uint8_t>();
    require(size <= 8, "wanted an integer of 64 bits, found ", size * 8);
    std::string_view part = take(size);
    int64_t value = size > 0 && (part.back() & 0x80) ? -1 : 0;
    if (size > 0) std::memcpy(&value, part.data(), size);
    return value;
  }
  double big_endian_double() {
    auto bits = __builtin_bswap64(number<uint64_t>());
    return std::bit_cast<double>(bits);
  }

  // ---- the stack ----

  void push(int32_t value) { stack_.push_back(value); }
  PickleValue& make(Kind kind) {
    push(static_cast<int32_t>(pickle_.values.size()));
    pickle_.values.emplace_back().kind = kind;
    return pickle_.values.back();
  }
  void make_integer(int64_t value) { make(Kind::integer).integer = value; }
  void make_text(uint64_t size) { make(Kind::text).text = take(size); }
  int32_t pop() {
    require(stack_.size() > (marks_.empty() ? 0 : marks_.back()), "wanted a value on the stack, found none");
    int32_t value = stack_.back();
    stack_.pop_back();
    return value;
  }
  PickleValue& top() {
    int32_t value = pop();
    push(value);
    return pickle_.values[value];
  }
  std::vector<int32_t> pop_to_mark() {
    require(!marks_.empty(), "wanted a mark on the stack, found none");
    std::vector<int32_t> items(stack_.begin() + static_cast<int64_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  std::vector<int32_t> pop_items(size_t count) {
    std::vector<int32_t> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }

  // ---- what opcodes do ----

  void remember(uint64_t key) {
    int32_t value = pop();
    push(value);
    memo_[key] = value;
  }
  void recall(uint64_t key) {
    auto found = memo_.find(key);
    require(found != memo_.end(), "recalls value ", key, ", which was never stored");
    push(found->second);
  }
  void make_tuple(std::vector<int32_t> items) { make(Kind::tuple).items = std::move(items); }
  void make_global(std::string_view module, std::string_view name) {
    std::string global = longhaul::str(module, " ", name);
    require(allows_(global), "names ", module, ".", name, ", which a file of tensors does not need: refused");
    pickle_.globals.push_back(std::move(global));
    make(Kind::global).text = pickle_.globals.back();
  }
  void stack_global() {
    int32_t name = pop(), module = pop();
    const PickleValue &n = pickle_.at(name), &m = pickle_.at(module);
    require(n.kind == Kind::text && m.kind == Kind::text, "wanted a module and a name, found a ", name_of(m.kind),
            " and a ", name_of(n.kind));
    make_global(m.text, n.text);
  }
  void call() {
    int32_t arguments = pop(), callable = pop();
    require(pickle_.at(callable).kind == Kind::global, "wanted a global to call, found a ",
            name_of(pickle_.at(callable).kind));
    require(pickle_.at(arguments).kind == Kind::tuple, "wanted a tuple of arguments, found a ",
            name_of(pickle_.at(arguments).kind));
    make(Kind::call).items = {callable, arguments};
  }
  void append(const std::vector<int32_t>& items) {
    PickleValue& list = top();
    require(list.kind == Kind::list, "wanted a list to append to, found a ", name_of(list.kind));
    list.items.insert(list.items.end(), items.begin(), items.end());
  }
  void set_items(const std::vector<int32_t>& items) {
    require(items.size() % 2 == 0, "wanted pairs of keys and values, found ", items.size(), " values");
    PickleValue& dict = top();
    require(dict.kind == Kind::dict || dict.kind == Kind::call, "wanted a dict to set items of, found a ",
            name_of(dict.kind));
    dict.items.insert(dict.items.end(), items.begin(), items.end());
  }
  void drop_state() {
    pop();
    require(top().kind == Kind::call, "wanted an object to give a state to, found a ", name_of(top().kind));
  }
  void make_persistent() {
    int32_t identifier = pop();
    make(Kind::persistent).items = {identifier};
  }
  void stop() {
    pickle_.root = pop();
    stopped_ = true;
  }

  // clang-format off: one opcode a line
  void step(unsigned char opcode) {
    switch (opcode) {
      case 0x80: take(1); break;  // PROTO
      case 0x95: take(8); break;  // FRAME
      case '.': stop(); break;
      case '(': marks_.push_back(stack_.size()); break;  // MARK
      case 'N': make(Kind::none); break;
      case 0x88: make(Kind::boolean).integer = 1; break;                 // NEWTRUE
      case 0x89: make(Kind::boolean); break;                             // NEWFALSE
      case 'J': make_integer(number<int32_t>()); break;                  // BININT
      case 'K': make_integer(number<uint8_t>()); break;                  // BININT1
      case 'M': make_integer(number<uint16_t>()); break;                 // BININT2
      case 0x8a: make_integer(long_integer()); break;                    // LONG1
      case 'G': make(Kind::number).number = big_endian_double(); break;  // BINFLOAT
      case 'X': make_text(number<uint32_t>()); break;                    // BINUNICODE
      case 0x8c: make_text(number<uint8_t>()); break;                    // SHORT_BINUNICODE
      case 0x8d: make_text(number<uint64_t>()); break;                   // BINUNICODE8
      case 'T':                                                          // BINSTRING
      case 'B': make_text(number<uint32_t>()); break;                    // BINBYTES
      case 'U':                                                          // SHORT_BINSTRING
      case 'C': make_text(number<uint8_t>()); break;                     // SHORT_BINBYTES
      case ')': make(Kind::tuple); break;                                // EMPTY_TUPLE
      case 't': make_tuple(pop_to_mark()); break;                        // TUPLE
      case 0x85: make_tuple(pop_items(1)); break;                        // TUPLE1
      case 0x86: make_tuple(pop_items(2)); break;                        // TUPLE2
      case 0x87: make_tuple(pop_items(3)); break;                        // TUPLE3
      case ']': make(Kind::list); break;                                 // EMPTY_LIST
      case 'a': append(pop_items(1)); break;                             // APPEND
      case 'e': append(pop_to_mark()); break;                            // APPENDS
      case '}': make(Kind::dict); break;                                 // EMPTY_DICT
      case 's': set_items(pop_items(2)); break;                          // SETITEM
      case 'u': set_items(pop_to_mark()); break;                         // SETITEMS
      case 'q': remember(number<uint8_t>()); break;                      // BINPUT
      case 'r': remember(number<uint32_t>()); break;                     // LONG_BINPUT
      case 0x94: remember(memo_.size()); break;                          // MEMOIZE
      case 'h': recall(number<uint8_t>()); break;                        // BINGET
      case 'j': recall(number<uint32_t>()); break;                       // LONG_BINGET
      case 'c': {
        std::string_view module = line();
        make_global(module, line());
        break;
      }                                    // GLOBAL
      case 0x93: stack_global(); break;    // STACK_GLOBAL
      case 'Q': make_persistent(); break;  // BINPERSID
      case 'R': call(); break;             // REDUCE
      case 'b': drop_state(); break;       // BUILD
      default: require(false, "found opcode ", int{opcode}, ", which a file of tensors does not need: refused");
    }
  }
  // clang-format on

  std::string_view bytes_;
  const std::function<bool(const std::string&)>& allows_;
  const std::string& where_;
  size_t at_ = 0, begin_ = 0;  // next byte; byte of the current opcode
  bool stopped_ = false;
  std::vector<int32_t> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  std::map<uint64_t, int32_t> memo_;
  Pickle pickle_;
};

}  // namespace

const char* name_of(PickleValue::Kind kind) {
  constexpr const char* kNames[] = {"none", "boolean", "integer", "number",     "text", "tuple",
                                    "list", "dict",    "global",  "persistent", "call"};
  return kNames[static_cast<int>(kind)];
}

Pickle read_pickle(std::span<const std::byte> bytes, const std::function<bool(const std::string&)>& allows,
                   const std::string& where) {
  return Reader(bytes, allows, where).read();
}

}  // namespace longhaul
