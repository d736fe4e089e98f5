// A restricted unpickler: a pickle becomes a tree of plain values. Nothing is ever imported or called; whatever names a
// global that the reader did not allow is an Error that names it. Free of LibTorch.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace longhaul {

struct PickleValue {
  enum class Kind { none, boolean, integer, number, text, tuple, list, dict, global, persistent, call };
  Kind kind = Kind::none;
  int64_t integer = 0;  // of integer, boolean
  double number = 0;
  std::string_view text;  // of text; of global: "module name"
  // Indices of other values. tuple, list: the items. dict: key, value, key, value ... persistent: its identifier. call: the
  // global to be called, its arguments (a tuple), then the items set on the result (key, value, ...).
  std::vector<int32_t> items;
};
const char* name_of(PickleValue::Kind kind);

struct Pickle {
  std::vector<PickleValue> values;  // containers may share items, or hold themselves: walk with care
  std::deque<std::string> globals;  // their texts
  int32_t root = 0;
  size_t size = 0;  // bytes read, to behind STOP
  const PickleValue& at(int32_t index) const { return values[static_cast<size_t>(index)]; }
};

// `allows`: which globals ("torch._utils _rebuild_tensor_v2") may be named. The opcodes that data needs of protocols 2
// to 5; Error "<where>: pickle: byte N: ..." for anything else. State given to an object (BUILD) is dropped. `bytes` outlive
// the result.
Pickle read_pickle(std::span<const std::byte> bytes, const std::function<bool(const std::string& global)>& allows,
                   const std::string& where);

}  // namespace longhaul
