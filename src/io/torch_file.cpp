#include "io/torch_file.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "io/pickle.h"
#include "io/zip.h"

namespace longhaul {

namespace {

using Kind = PickleValue::Kind;

constexpr const char* kOrderedDict = "collections OrderedDict";
constexpr const char* kRebuildTensor = "torch._utils _rebuild_tensor_v2";
constexpr const char* kRebuildParameter = "torch._utils _rebuild_parameter";
constexpr const char* kRebuildFromType = "torch._tensor _rebuild_from_type_v2";  // a tensor with attributes
constexpr const char* kSize = "torch Size";

// UntypedStorage counts bytes.
constexpr std::pair<DType, const char*> kStorages[] = {
    {DType::f64, "torch DoubleStorage"},        {DType::f32, "torch FloatStorage"},
    {DType::f16, "torch HalfStorage"},          {DType::bf16, "torch BFloat16Storage"},
    {DType::i64, "torch LongStorage"},          {DType::i32, "torch IntStorage"},
    {DType::i16, "torch ShortStorage"},         {DType::i8, "torch CharStorage"},
    {DType::u8, "torch ByteStorage"},           {DType::boolean, "torch BoolStorage"},
    {DType::u8, "torch.storage UntypedStorage"}};

// What is named beside tensors, and says nothing of them.
constexpr const char* kIdle[] = {"torch Tensor",
                                 "torch.nn.parameter Parameter",
                                 "torch.storage TypedStorage",
                                 "torch float64",
                                 "torch float32",
                                 "torch float16",
                                 "torch bfloat16",
                                 "torch float8_e4m3fn",
                                 "torch float8_e4m3fnuz",
                                 "torch float8_e5m2",
                                 "torch float8_e5m2fnuz",
                                 "torch complex32",
                                 "torch complex64",
                                 "torch complex128",
                                 "torch int64",
                                 "torch int32",
                                 "torch int16",
                                 "torch int8",
                                 "torch uint64",
                                 "torch uint32",
                                 "torch uint16",
                                 "torch uint8",
                                 "torch bool"};

bool allows(const std::string& global) {
  constexpr const char* kRead[] = {kOrderedDict, kRebuildTensor, kRebuildParameter, kRebuildFromType, kSize};
  const auto is = [&](const char* known) { return global == known; };
  return std::any_of(std::begin(kRead), std::end(kRead), is) || std::any_of(std::begin(kIdle), std::end(kIdle), is) ||
         std::any_of(std::begin(kStorages), std::end(kStorages), [&](const auto& row) { return is(row.second); });
}

// The first bytes of the format before the zip: a pickle's protocol, and a magic number.
constexpr size_t kProtocolBytes = 2;
constexpr std::string_view kLegacyMagic("\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.", 13);

bool is_legacy(std::string_view bytes) {
  const bool known_protocol = bytes.starts_with("\x80\x02") || bytes.starts_with("\x80\x03");
  return known_protocol && bytes.substr(kProtocolBytes).starts_with(kLegacyMagic);
}

struct Storage {
  DType dtype;
  std::string key;
  int64_t elements;
};

}  // namespace

// Interprets a pickle's values as tensors. How a storage's bytes are found, the two formats say.
class TorchReader {
 public:
  // `most_copied`: bytes of tensors that do not lie row by row; honest files have each once, and are larger.
  TorchReader(const Pickle& pickle, const std::string& where, size_t most_copied)
      : pickle_(pickle), where_(where), copies_left_(static_cast<int64_t>(most_copied)) {}

  // ('storage', torch.FloatStorage, key, location, elements), of the old format also a view of it, which must be none.
  Storage storage_of(const PickleValue& value) const {
    check(value.kind == Kind::persistent, where_, ": wanted a storage, found a ", name_of(value.kind));
    const PickleValue& id = at(value, 0, Kind::tuple, "a storage");
    check(id.items.size() == 5 || id.items.size() == 6, where_, ": a storage: wanted 5 fields, found ",
          id.items.size());
    if (id.items.size() == 6) at(id, 5, Kind::none, "a storage's view");
    std::string_view type = at(id, 1, Kind::global, "a storage's type").text;
    auto row =
        std::find_if(std::begin(kStorages), std::end(kStorages), [&](const auto& r) { return type == r.second; });
    check(row != std::end(kStorages), where_, ": wanted a type of storage, found ", type);
    int64_t elements = at(id, 4, Kind::integer, "a storage's size").integer;
    check(elements >= 0 && elements <= INT64_MAX / 8, where_, ": wanted a storage of at least 0 elements, found ",
          elements);
    return {row->first, std::string(at(id, 2, Kind::text, "a storage's key").text), elements};
  }

  void read_tensors(TorchFile& file, const std::function<std::span<const std::byte>(const Storage&)>& bytes_of) {
    std::vector<int32_t> items = state_dict();
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      const PickleValue& key = pickle_.at(items[i]);
      check(key.kind == Kind::text, where_, ": state dict: wanted names as keys, found a ", name_of(key.kind));
      std::string name(key.text);
      check(is_tensor(items[i + 1]), where_, ": state dict: '", name, "': wanted a tensor, found a ",
            name_of(pickle_.at(items[i + 1]).kind));
      check(file.tensors_.emplace(name, view_of(items[i + 1], name, bytes_of, file)).second, where_,
            ": state dict: wanted each name once, found '", name, "' again");
      file.names_.push_back(name);
    }
    check(!file.names_.empty(), where_, ": wanted a state dict, found no tensor");
  }

 private:
  const PickleValue& at(const PickleValue& value, size_t i, Kind kind, const char* what) const {
    check(i < value.items.size(), where_, ": ", what, ": wanted more than ", i, " values, found no more");
    const PickleValue& item = pickle_.at(value.items[i]);
    check(item.kind == kind, where_, ": ", what, ": wanted a ", name_of(kind), ", found a ", name_of(item.kind));
    return item;
  }

  bool calls(const PickleValue& value, const char* global) const {
    return value.kind == Kind::call && pickle_.at(value.items[0]).text == global;
  }
  bool is_tensor(int32_t index) const {
    const PickleValue& value = pickle_.at(index);
    return calls(value, kRebuildTensor) || calls(value, kRebuildParameter) || calls(value, kRebuildFromType);
  }
  bool is_dict(int32_t index) const {
    return pickle_.at(index).kind == Kind::dict || calls(pickle_.at(index), kOrderedDict);
  }
  // key, value, key, value ...
  std::vector<int32_t> items_of(int32_t dict) const {
    const PickleValue& value = pickle_.at(dict);
    return {value.items.begin() + (value.kind == Kind::call ? 2 : 0), value.items.end()};
  }

  // The root, or its entry of one of the usual names. What else a checkpoint holds (step, losses) is not read.
  std::vector<int32_t> state_dict() const {
    check(is_dict(pickle_.root), where_, ": wanted a state dict, found a ", name_of(pickle_.at(pickle_.root).kind));
    std::vector<int32_t> items = items_of(pickle_.root);
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      const PickleValue& key = pickle_.at(items[i]);
      bool usual = key.kind == Kind::text && (key.text == "model" || key.text == "state_dict");
      if (usual && is_dict(items[i + 1])) return items_of(items[i + 1]);
    }
    return items;
  }

  std::vector<int64_t> integers(const PickleValue& tuple, const std::string& place) const {
    std::vector<int64_t> all;
    for (int32_t item : tuple.items) {
      const PickleValue& value = pickle_.at(item);
      check(value.kind == Kind::integer && value.integer >= 0, place, ": wanted integers >= 0 as sizes and strides");
      all.push_back(value.integer);
    }
    return all;
  }

  // A tuple, or torch.Size of one.
  const PickleValue& tuple_at(const PickleValue& value, size_t i, const char* what) const {
    const bool is_size = i < value.items.size() && calls(pickle_.at(value.items[i]), kSize);
    if (!is_size) return at(value, i, Kind::tuple, what);
    return at(at(pickle_.at(value.items[i]), 1, Kind::tuple, what), 0, Kind::tuple, what);
  }

  // What _rebuild_tensor_v2 is called with, behind _rebuild_parameter(tensor, ...) and _rebuild_from_type_v2(function, type,
  // arguments, state). A tuple's items came before it, so no tensor is inside itself.
  const PickleValue& arguments_of(int32_t index, const std::string& place) const {
    const PickleValue* call = &pickle_.at(index);
    std::string_view function = pickle_.at(call->items[0]).text;
    const PickleValue* arguments = &at(*call, 1, Kind::tuple, "a tensor");
    while (function != kRebuildTensor) {
      if (function == kRebuildFromType) {
        function = at(*arguments, 0, Kind::global, "a tensor's function").text;
        arguments = &at(*arguments, 2, Kind::tuple, "a tensor's arguments");
      } else {
        check(function == kRebuildParameter, place, ": wanted a tensor, found another call");
        call = &at(*arguments, 0, Kind::call, "a parameter");
        function = pickle_.at(call->items[0]).text;
        arguments = &at(*call, 1, Kind::tuple, "a parameter");
      }
    }
    return *arguments;
  }

  // _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)
  TensorView view_of(int32_t index, const std::string& name,
                     const std::function<std::span<const std::byte>(const Storage&)>& bytes_of, TorchFile& file) {
    const std::string place = where_ + ": '" + name + "'";
    const PickleValue& arguments = arguments_of(index, place);
    Storage storage = storage_of(at(arguments, 0, Kind::persistent, "a tensor's storage"));
    int64_t offset = at(arguments, 1, Kind::integer, "a tensor's offset").integer;
    std::vector<int64_t> shape = integers(tuple_at(arguments, 2, "a tensor's size"), place);
    std::vector<int64_t> strides = integers(tuple_at(arguments, 3, "a tensor's strides"), place);
    int64_t count = check_view(storage, offset, shape, strides, place);
    std::span<const std::byte> bytes = bytes_of(storage);
    int64_t size = size_of(storage.dtype);
    check(static_cast<int64_t>(bytes.size()) >= storage.elements * size, place, ": wanted a storage of ",
          storage.elements * size, " bytes, found ", bytes.size());
    TensorView view{storage.dtype, shape, {}};
    if (count == 0 || is_row_major(shape, strides)) {
      view.bytes = count == 0 ? bytes.first(0) : bytes.subspan(offset * size, count * size);
    } else {
      copies_left_ -= count * size;
      check(copies_left_ >= 0, place, ": wanted views that are no larger than the file in all, found more");
      view.bytes = file.copies_.emplace_back(gathered(bytes.subspan(offset * size), shape, strides, size, count));
    }
    return view;
  }

  // Elements of the view, which lies inside its storage. Views may overlap; none is larger than what it is a view of.
  static int64_t check_view(const Storage& storage, int64_t offset, const std::vector<int64_t>& shape,
                            const std::vector<int64_t>& strides, const std::string& place) {
    check(shape.size() == strides.size(), place, ": wanted a stride for each of ", shape.size(), " sizes, found ",
          strides.size());
    if (std::count(shape.begin(), shape.end(), 0) > 0) return checked_bytes(storage.dtype, shape, place);  // 0
    int64_t count = 1, last = offset;
    bool fits = offset >= 0;
    for (size_t i = 0; i < shape.size() && fits; ++i) {
      int64_t reach = 0;
      fits = !__builtin_mul_overflow(count, shape[i], &count) &&
             !__builtin_mul_overflow(shape[i] - 1, strides[i], &reach) && !__builtin_add_overflow(last, reach, &last);
    }
    check(fits && last < storage.elements && count <= storage.elements, place, ": wanted a view inside its storage of ",
          storage.elements, " elements, found a larger one");
    return count;
  }

  static bool is_row_major(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
    int64_t expected = 1;
    for (size_t i = shape.size(); i-- > 0;) {
      if (shape[i] != 1 && strides[i] != expected) return false;
      expected *= shape[i];
    }
    return true;
  }

  static std::vector<std::byte> gathered(std::span<const std::byte> from, const std::vector<int64_t>& shape,
                                         const std::vector<int64_t>& strides, int64_t size, int64_t count) {
    std::vector<std::byte> bytes(count * size);
    std::vector<int64_t> index(shape.size(), 0);
    int64_t at = 0;
    for (int64_t i = 0; i < count; ++i) {
      std::memcpy(bytes.data() + i * size, from.data() + at * size, size);
      for (size_t d = shape.size(); d-- > 0;) {
        if (shape[d] == 1) continue;  // whose stride may be any number
        at += strides[d];
        if (++index[d] < shape[d]) break;
        at -= strides[d] * shape[d];
        index[d] = 0;
      }
    }
    return bytes;
  }

  const Pickle& pickle_;
  const std::string& where_;
  int64_t copies_left_;
};

namespace {

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void read_zip(TorchFile& file, std::span<const std::byte> bytes, const std::string& where) {
  ZipArchive archive = ZipArchive::parse(bytes, where);
  constexpr std::string_view kPickle = "data.pkl";
  std::string root;
  int found = 0;
  for (const std::string& name : archive.names()) {
    if (!name.ends_with(kPickle) || std::count(name.begin(), name.end(), '/') != 1) continue;
    root = name.substr(0, name.size() - kPickle.size());
    ++found;
  }
  check(found == 1, where, ": wanted one data.pkl, as torch.save() writes, found ", found);
  if (archive.has(root + "byteorder")) {
    std::string_view order = text_of(archive.read(root + "byteorder"));
    check(order == "little", where, ": wanted little-endian tensors, found byteorder '", order, "'");
  }
  Pickle pickle = read_pickle(archive.read(root + std::string(kPickle)), allows, where);
  std::map<std::string, std::span<const std::byte>> known;  // each checksum is checked once
  TorchReader(pickle, where, bytes.size()).read_tensors(file, [&](const Storage& storage) {
    auto [entry, is_new] = known.try_emplace(storage.key);
    if (is_new) entry->second = archive.read(root + "data/" + storage.key);
    return entry->second;
  });
}

// Five pickles (magic, version, system, object, keys of storages), then for each key its count of elements and their bytes.
void read_legacy(TorchFile& file, std::span<const std::byte> bytes, const std::string& where) {
  size_t at = kProtocolBytes + kLegacyMagic.size();
  auto next = [&] {
    Pickle pickle = read_pickle(bytes.subspan(at), allows, where);
    at += pickle.size;
    return pickle;
  };
  next();
  next();
  Pickle pickle = next(), keys = next();
  TorchReader reader(pickle, where, bytes.size());
  std::map<std::string, Storage> storages;
  for (const PickleValue& value : pickle.values) {
    if (value.kind != Kind::persistent) continue;
    Storage storage = reader.storage_of(value);
    storages.emplace(storage.key, storage);
  }
  std::map<std::string, std::span<const std::byte>> known;
  check(keys.at(keys.root).kind == Kind::list, where, ": wanted a list of storages, found a ",
        name_of(keys.at(keys.root).kind));
  for (int32_t item : keys.at(keys.root).items) {
    std::string key(keys.at(item).text);
    auto storage = storages.find(key);
    check(storage != storages.end(), where, ": storage '", key, "': wanted one that a tensor names");
    int64_t elements = 0, size = size_of(storage->second.dtype);
    check(bytes.size() - at >= sizeof elements, where, ": storage '", key, "': the file was cut short");
    std::memcpy(&elements, bytes.data() + at, sizeof elements);
    at += sizeof elements;
    auto left = static_cast<int64_t>(bytes.size() - at);
    check(elements == storage->second.elements && elements <= left / size, where, ": storage '", key, "': wanted ",
          storage->second.elements, " elements, found ", elements, " and ", left, " bytes");
    known[key] = bytes.subspan(at, elements * size);
    at += elements * size;
  }
  reader.read_tensors(file, [&](const Storage& storage) {
    auto found = known.find(storage.key);
    check(found != known.end(), where, ": storage '", storage.key, "': wanted its bytes, found none");
    return found->second;
  });
}

}  // namespace

TorchFile TorchFile::open(const std::string& path) {
  auto file = MappedFile::open(path);
  TorchFile parsed = parse(file->bytes(), path);
  parsed.file_ = std::move(file);
  return parsed;
}

TorchFile TorchFile::parse(std::span<const std::byte> bytes, const std::string& where) {
  TorchFile file;
  if (ZipArchive::is_zip(bytes)) {
    read_zip(file, bytes, where);
  } else {
    check(is_legacy(text_of(bytes)), where, ": wanted a file that torch.save() wrote, found other bytes");
    read_legacy(file, bytes, where);
  }
  return file;
}

// ---- writing -------------------------------------------------------------------------------------------------------

namespace {

// The opcodes of protocol 2 that a state dict takes.
class PickleWriter {
 public:
  std::string bytes = "\x80\x02";

  void global(std::string_view module_name) {
    std::string text(module_name);
    text[text.find(' ')] = '\n';
    bytes += "c" + text + "\n";
  }
  void text(std::string_view text) { bytes += "X" + raw(static_cast<uint32_t>(text.size())) + std::string(text); }
  void integer(int64_t value) { bytes += "\x8a\x08" + raw(value); }
  void tuple(const std::vector<int64_t>& values) {
    bytes += '(';
    for (int64_t value : values) integer(value);
    bytes += 't';
  }
  void ordered_dict() {
    global(kOrderedDict);
    bytes += ")R";
  }

 private:
  template <class Number>
  static std::string raw(Number value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
  }
};

const char* storage_name(DType dtype, const std::string& where) {
  for (const auto& [known, name] : kStorages) {
    if (known == dtype) return name;
  }
  fail(where, ": torch has no storage of ", name_of(dtype));
}

void write_tensor(PickleWriter& out, const NamedTensor& tensor, size_t storage, const std::string& where) {
  int64_t elements = static_cast<int64_t>(tensor.bytes.size()) / size_of(tensor.dtype);
  std::vector<int64_t> strides(tensor.shape.size(), 1);
  for (size_t i = strides.size(); i-- > 1;) strides[i - 1] = strides[i] * tensor.shape[i];
  out.global(kRebuildTensor);
  out.bytes += "((";
  out.text("storage");
  out.global(storage_name(tensor.dtype, where));
  out.text(std::to_string(storage));
  out.text("cpu");
  out.integer(elements);
  out.bytes += "tQ";
  out.integer(0);
  out.tuple(tensor.shape);
  out.tuple(strides);
  out.bytes += '\x89';  // requires_grad: False
  out.ordered_dict();   // hooks
  out.bytes += "tR";
}

}  // namespace

void write_torch_file(const std::string& path, const std::vector<NamedTensor>& tensors) {
  PickleWriter pickle;
  pickle.ordered_dict();
  pickle.bytes += '(';
  std::map<std::pair<const std::byte*, size_t>, size_t> storages;  // where in memory -> number
  std::vector<ZipEntry> data;
  for (const NamedTensor& tensor : tensors) {
    auto [storage, is_new] = storages.try_emplace({tensor.bytes.data(), tensor.bytes.size()}, storages.size());
    if (is_new) data.push_back({"archive/data/" + std::to_string(storage->second), tensor.bytes});
    pickle.text(tensor.name);
    write_tensor(pickle, tensor, storage->second, path + ": '" + tensor.name + "'");
  }
  pickle.bytes += "u.";
  const std::string_view order = "little", version = "3\n";
  std::vector<ZipEntry> entries = {{"archive/data.pkl", std::as_bytes(std::span(pickle.bytes))},
                                   {"archive/byteorder", std::as_bytes(std::span(order))}};
  entries.insert(entries.end(), data.begin(), data.end());
  entries.push_back({"archive/version", std::as_bytes(std::span(version))});
  write_zip(path, entries);
}

}  // namespace longhaul
