#include "io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>
#include <tuple>

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"

namespace longhaul {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian, and read in place");

namespace {

constexpr uint64_t kMaxHeader = 100'000'000;  // as the reference implementation
constexpr size_t kAlignment = 64;

struct DTypeRow {
  DType dtype;
  const char* name;
  int64_t bytes;
};
constexpr DTypeRow kDTypes[] = {{DType::f64, "F64", 8},     {DType::f32, "F32", 4}, {DType::f16, "F16", 2},
                                {DType::bf16, "BF16", 2},   {DType::i64, "I64", 8}, {DType::i32, "I32", 4},
                                {DType::i16, "I16", 2},     {DType::i8, "I8", 1},   {DType::u64, "U64", 8},
                                {DType::u32, "U32", 4},     {DType::u16, "U16", 2}, {DType::u8, "U8", 1},
                                {DType::boolean, "BOOL", 1}};

const DTypeRow& row_of(DType dtype) {
  for (const DTypeRow& row : kDTypes) {
    if (row.dtype == dtype) return row;
  }
  fail("unknown dtype ", static_cast<int>(dtype));
}

struct Entry {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  int64_t begin, end;  // bytes of the data
};

// Reads {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"key": "text"}} as a stream
// of events: linear in the header, nothing is built for what is not allowed, and no name is overwritten by a second one.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(const std::string& where) : where_(where) {}
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

  bool start_object(size_t) override {
    if (depth_ > 1 || in_list_) unexpected("an object");
    ++depth_;
    given_.clear();
    return true;
  }
  bool end_object() override {
    if (--depth_ == 1 && !in_metadata()) finish_entry();
    return true;
  }
  bool key(string_t& text) override {
    if (depth_ == 1) {
      check(names_.insert(text).second, where_, ": wanted each name once, found '", text, "' again");
      name_ = text;
    } else {
      check(given_.insert(text).second, place(), ": wanted each key once, found '", text, "' again");
    }
    key_ = text;
    return true;
  }
  bool string(string_t& text) override {
    if (depth_ == 2 && in_metadata()) {
      metadata[key_] = text;
    } else if (depth_ == 2 && key_ == "dtype" && !in_list_) {
      dtype_ = dtype_from_name(text, place());
    } else {
      unexpected("a string");
    }
    return true;
  }
  bool start_array(size_t) override {
    bool expected = depth_ == 2 && !in_list_ && !in_metadata() && (key_ == "shape" || key_ == "data_offsets");
    if (!expected) unexpected("a list");
    in_list_ = true;
    list().clear();
    return true;
  }
  bool end_array() override {
    in_list_ = false;
    return true;
  }
  bool number_unsigned(number_unsigned_t number) override {
    if (!in_list_) unexpected("a number");
    check(number <= static_cast<uint64_t>(INT64_MAX), place(), ": ", key_, ": wanted numbers below 2^63, found ",
          number);
    list().push_back(static_cast<int64_t>(number));
    return true;
  }
  bool number_integer(number_integer_t number) override { unexpected(str("the number ", number)); }
  bool number_float(number_float_t, const string_t& text) override { unexpected("the number " + text); }
  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a boolean"); }
  bool binary(binary_t&) override { unexpected("binary data"); }
  bool parse_error(size_t byte, const std::string&, const nlohmann::detail::exception& error) override {
    std::string text = error.what();
    size_t colon = text.find(": ");
    fail(where_, ": header is not JSON at byte ", byte, ": ",
         colon == std::string::npos ? text : text.substr(colon + 2));
  }

 private:
  bool in_metadata() const { return name_ == "__metadata__"; }
  std::string place() const { return depth_ == 0 ? where_ + ": header" : where_ + ": '" + name_ + "'"; }
  std::vector<int64_t>& list() { return key_ == "shape" ? shape_ : offsets_; }

  [[noreturn]] void unexpected(const std::string& found) const {
    const char* wanted = depth_ == 0     ? "an object"
                         : in_metadata() ? "an object of strings"
                                         : "{dtype: a name, shape: [sizes], data_offsets: [begin, end]}";
    fail(place(), ": wanted ", wanted, ", found ", found, depth_ == 2 ? " at '" + key_ + "'" : "");
  }

  void finish_entry() {
    const std::set<std::string> wanted = {"dtype", "shape", "data_offsets"};
    check(given_ == wanted, place(), ": wanted the keys dtype, shape, data_offsets, found ",
          join({given_.begin(), given_.end()}, ", "));
    check(offsets_.size() == 2, place(), ": data_offsets: wanted 2 numbers, found ", offsets_.size());
    entries.push_back({name_, dtype_, shape_, offsets_[0], offsets_[1]});
  }

  std::string where_;
  int depth_ = 0;
  std::set<std::string> names_, given_;  // of the file, of the current object
  std::string name_, key_;               // what is being read
  bool in_list_ = false;
  DType dtype_ = DType::f32;
  std::vector<int64_t> shape_, offsets_;
};

}  // namespace

int64_t size_of(DType dtype) { return row_of(dtype).bytes; }

const char* name_of(DType dtype) { return row_of(dtype).name; }

DType dtype_from_name(const std::string& name, const std::string& where) {
  std::vector<std::string> known;
  for (const DTypeRow& row : kDTypes) {
    if (name == row.name) return row.dtype;
    known.push_back(row.name);
  }
  fail(where, ": dtype: wanted one of ", join(known, ", "), ", found '", name, "'");
}

int64_t checked_bytes(DType dtype, const std::vector<int64_t>& shape, const std::string& where) {
  int64_t bytes = size_of(dtype);
  for (int64_t dimension : shape) {
    check(dimension >= 0, where, ": wanted dimensions >= 0, found ", dimension);
    check(!__builtin_mul_overflow(bytes, std::max<int64_t>(dimension, 1), &bytes), where,
          ": wanted a shape of less than 2^63 bytes, found more");
  }
  return std::count(shape.begin(), shape.end(), 0) > 0 ? 0 : bytes;
}

int64_t TensorView::numel() const {
  int64_t count = 1;
  for (int64_t dimension : shape) count *= dimension;
  return count;
}

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  auto file = MappedFile::open(path);
  SafetensorsFile parsed = parse(file->bytes(), path);
  parsed.file_ = std::move(file);
  return parsed;
}

SafetensorsFile SafetensorsFile::parse(std::span<const std::byte> bytes, const std::string& where) {
  check(bytes.size() >= 8, where, ": wanted at least 8 bytes, found ", bytes.size());
  uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), 8);
  check(header_size <= kMaxHeader, where, ": wanted a header of at most ", kMaxHeader, " bytes, found ", header_size);
  check(header_size <= bytes.size() - 8, where, ": wanted a header of ", header_size, " bytes, found ",
        bytes.size() - 8);
  const auto* text = reinterpret_cast<const char*>(bytes.data() + 8);
  HeaderReader reader(where);
  // nlohmann::json takes a zero byte for the end of the text, and would ignore whatever follows it.
  const bool has_zero = std::memchr(text, 0, header_size) != nullptr;
  check(!has_zero, where, ": header is not JSON: it holds a zero byte");
  nlohmann::json::sax_parse(text, text + header_size, &reader);

  SafetensorsFile parsed;
  parsed.where_ = where;
  parsed.metadata_ = std::move(reader.metadata);
  const std::span<const std::byte> data = bytes.subspan(8 + header_size);
  std::sort(reader.entries.begin(), reader.entries.end(),
            [](const Entry& a, const Entry& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  const auto available = static_cast<int64_t>(data.size());
  int64_t expected = 0;
  for (Entry& entry : reader.entries) {
    const std::string place = where + ": '" + entry.name + "'";
    check(entry.begin <= entry.end && entry.end <= available, place, ": wanted data inside the ", available,
          " bytes of the file, found [", entry.begin, ", ", entry.end, ")");
    check(entry.begin == expected, place, ": wanted data from byte ", expected, " on (no gap, no overlap), found ",
          entry.begin);
    const int64_t size = checked_bytes(entry.dtype, entry.shape, place);
    check(size == entry.end - entry.begin, place, ": wanted ", size, " bytes for its shape, found ",
          entry.end - entry.begin);
    parsed.tensors_[entry.name] = {entry.dtype, std::move(entry.shape), data.subspan(entry.begin, size)};
    expected = entry.end;
  }
  check(expected == available, where, ": wanted ", expected, " bytes of data, found ", available);
  return parsed;
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> all;
  for (const auto& [name, view] : tensors_) all.push_back(name);
  return all;
}

const TensorView& SafetensorsFile::at(const std::string& name) const {
  auto found = tensors_.find(name);
  if (found == tensors_.end()) fail(where_, ": no tensor '", name, "'", did_you_mean(name, names()));
  return found->second;
}

void write_safetensors(const std::string& path, const std::vector<TensorHeader>& tensors,
                       const std::function<void(size_t i, const WriteFn& write)>& write_bytes,
                       const std::map<std::string, std::string>& metadata) {
  std::set<std::string> names;
  std::vector<int64_t> sizes;
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  int64_t offset = 0;
  for (const TensorHeader& tensor : tensors) {
    const std::string where = path + ": '" + tensor.name + "'";
    check(tensor.name != "__metadata__" && names.insert(tensor.name).second, where,
          ": wanted each name once, found it again");
    sizes.push_back(checked_bytes(tensor.dtype, tensor.shape, where));
    header[tensor.name] = {
        {"dtype", name_of(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + sizes.back()}}};
    offset += sizes.back();
  }
  std::string text = json_text(header, path);
  text.append((kAlignment - (8 + text.size()) % kAlignment) % kAlignment, ' ');
  const uint64_t header_size = text.size();
  write_file(path, [&](const WriteFn& write) {
    write({reinterpret_cast<const char*>(&header_size), 8});
    write(text);
    for (size_t i = 0; i < tensors.size(); ++i) {
      int64_t written = 0;
      write_bytes(i, [&](std::string_view bytes) {
        written += static_cast<int64_t>(bytes.size());
        write(bytes);
      });
      check(written == sizes[i], path, ": '", tensors[i].name, "': wanted ", sizes[i], " bytes for its shape, found ",
            written);
    }
  });
}

void write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<TensorHeader> headers;
  for (const NamedTensor& tensor : tensors) headers.push_back({tensor.name, tensor.dtype, tensor.shape});
  write_safetensors(
      path, headers,
      [&](size_t i, const WriteFn& write) {
        const std::span<const std::byte> bytes = tensors[i].bytes;
        write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
      },
      metadata);
}

}  // namespace longhaul
