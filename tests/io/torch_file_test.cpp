#include "io/torch_file.h"

#include <cstring>

#include "base/json.h"
#include "io/pickle.h"
#include "io/tensor_files.h"
#include "io/zip.h"
#include "support.h"

namespace longhaul {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string zip_of(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::vector<ZipEntry> views;
  for (const auto& [name, text] : entries) views.push_back({name, bytes_of(text)});
  std::string archive;
  write_zip([&](std::string_view bytes) { archive += bytes; }, views);
  return archive;
}

// ---- zip -----------------------------------------------------------------------------------------------------------

std::string parse_error(const std::string& archive) {
  return error_of([&] { ZipArchive::parse(bytes_of(archive), "a.zip"); });
}

TEST(Zip, WhatIsWrittenIsReadAndAligned) {
  std::string archive = zip_of({{"x/one", "first"}, {"x/none", ""}, {"x/two", std::string(1000, 'z')}});
  ZipArchive zip = ZipArchive::parse(bytes_of(archive), "a.zip");
  EXPECT_EQ(zip.names(), (std::vector<std::string>{"x/none", "x/one", "x/two"}));
  auto one = zip.read("x/one");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(one.data()), one.size()), "first");
  EXPECT_EQ((reinterpret_cast<const char*>(zip.read("x/two").data()) - archive.data()) % 64, 0);
  EXPECT_EQ(error_of([&] { zip.read("x"); }), "a.zip: zip: wanted an entry 'x', found none");
}

TEST(Zip, DamageIsOneLine) {
  std::string archive = zip_of({{"one", "first"}, {"two", "second"}});
  EXPECT_EQ(parse_error("PK"), "a.zip: zip: wanted an archive, found 2 bytes");
  EXPECT_EQ(parse_error(archive.substr(0, archive.size() - 1)),
            "a.zip: zip: found no directory at the end; the file was cut short");
  std::string damaged = archive;
  damaged[damaged.find("second")] = 'S';
  ZipArchive zip = ZipArchive::parse(bytes_of(damaged), "a.zip");
  EXPECT_EQ(error_of([&] { zip.read("two"); }), "a.zip: zip: 'two': its checksum is wrong; the file is damaged");
  damaged = archive;
  damaged[archive.find("PK\x01\x02") + 10] = 8;  // the method of the first entry: deflate
  EXPECT_EQ(parse_error(damaged), "a.zip: zip: 'one': wanted a stored entry, found a compressed or encrypted one");
  damaged = archive;
  damaged[archive.find("PK\x01\x02") + 46 + 3 + 4 + 16] = 77;  // the first entry's place, in its zip64 field
  EXPECT_EQ(parse_error(damaged), "a.zip: zip: 'one': wanted the entry at byte 77, found other bytes");
  EXPECT_EQ(parse_error(zip_of({{"one", ""}, {"one", ""}})),
            "a.zip: zip: 'one': wanted each name once, found it again");
}

// ---- pickle --------------------------------------------------------------------------------------------------------

Pickle read(const std::string& text) {
  return read_pickle(
      bytes_of(text), [](const std::string& name) { return name == "m f"; }, "p");
}
std::string refusal(const std::string& text) {
  return error_of([&] { read(text); });
}

// Expected values by the opcodes' description in Python's pickletools.
TEST(Pickle, ValuesAsPythonWouldMakeThem) {
  std::string text("\x80\x02(K\x05M\x00\x01J\xff\xff\xff\xff\x8a\x01\x80G?\xf8\0\0\0\0\0\0N\x88X\x02\0\0\0abt.", 36);
  Pickle pickle = read(text);
  EXPECT_EQ(pickle.size, text.size());
  const PickleValue& tuple = pickle.at(pickle.root);
  ASSERT_EQ(tuple.items.size(), 8u);
  std::vector<int64_t> integers;
  for (int i = 0; i < 4; ++i) integers.push_back(pickle.at(tuple.items[i]).integer);
  EXPECT_EQ(integers, (std::vector<int64_t>{5, 256, -1, -128}));
  EXPECT_EQ(pickle.at(tuple.items[4]).number, 1.5);
  EXPECT_EQ(pickle.at(tuple.items[7]).text, "ab");
  Pickle call = read("cm\nf\n)Rq\x01h\x01\x86.");
  EXPECT_EQ(call.at(call.at(call.root).items[0]).kind, PickleValue::Kind::call);
}

TEST(Pickle, WhateverNeedsCodeIsRefused) {
  EXPECT_EQ(refusal("cos\nsystem\n(X\x02\0\0\0lstR."),
            "p: pickle: byte 0: names os.system, which a file of tensors does not need: refused");
  EXPECT_EQ(refusal("\x8c\x02os\x8c\x06system\x93."),
            "p: pickle: byte 12: names os.system, which a file of tensors does not need: refused");
  EXPECT_EQ(refusal("(i__main__\nX\n."),
            "p: pickle: byte 1: found opcode 105, which a file of tensors does not need: refused");
}

TEST(Pickle, BrokenStreamsAreOneLine) {
  EXPECT_EQ(refusal(""), "p: pickle: byte 0: wanted 1 more bytes, found 0");
  EXPECT_EQ(refusal("."), "p: pickle: byte 0: wanted a value on the stack, found none");
  EXPECT_EQ(refusal("K\x01(0"), "p: pickle: byte 3: found opcode 48, which a file of tensors does not need: refused");
  EXPECT_EQ(refusal("K\x01(\x85."), "p: pickle: byte 3: wanted a value on the stack, found none");
  EXPECT_EQ(refusal("t"), "p: pickle: byte 0: wanted a mark on the stack, found none");
  EXPECT_EQ(refusal("h\x07."), "p: pickle: byte 0: recalls value 7, which was never stored");
  EXPECT_EQ(refusal("}(K\x01u."), "p: pickle: byte 4: wanted pairs of keys and values, found 1 values");
  EXPECT_EQ(refusal("NK\x01"
                    "a."),
            "p: pickle: byte 3: wanted a list to append to, found a none");
  EXPECT_EQ(refusal("X\xff\xff\xff\xff"), "p: pickle: byte 0: wanted 4294967295 more bytes, found 0");
  EXPECT_NO_THROW(
      read("]q\x01h\x01"
           "a."));  // a list that holds itself
}

// ---- files of tensors ----------------------------------------------------------------------------------------------

std::string floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}
std::vector<float> values_of(const TensorView& view) {
  std::vector<float> values(view.numel());
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

const std::string kRebuild = "ctorch._utils\n_rebuild_tensor_v2\n";
const std::string kFlagAndHooks =
    "\x89"
    "ccollections\nOrderedDict\n)R";
const std::string kFloats = "ctorch\nFloatStorage\n";

std::string text_value(const std::string& text) {
  return std::string("X") + static_cast<char>(text.size()) + std::string(3, '\0') + text;
}
// What kRebuild is called with, of a storage of six floats 0..5.
std::string arguments(const std::string& offset, const std::string& shape, const std::string& stride,
                      const std::string& type = kFloats, const std::string& elements = "K\x06") {
  return "((" + text_value("storage") + type + text_value("0") + text_value("cpu") + elements + "tQ" + offset + shape +
         stride + kFlagAndHooks + "t";
}
// {name: value} as torch.save writes it, with that storage.
std::string file_of(const std::string& value, const std::string& name = "w") {
  return zip_of(
      {{"a/data.pkl", "\x80\x02}" + text_value(name) + value + "s."}, {"a/data/0", floats({0, 1, 2, 3, 4, 5})}});
}
std::string checkpoint(const std::string& offset, const std::string& shape, const std::string& stride,
                       const std::string& name = "w") {
  return file_of(kRebuild + arguments(offset, shape, stride) + "R", name);
}
std::string checkpoint_error(const std::string& offset, const std::string& shape, const std::string& stride) {
  std::string file = checkpoint(offset, shape, stride);
  return error_of([&] { TorchFile::parse(bytes_of(file), "f.pt"); });
}
const std::string kZero("K\0", 2);

TEST(TorchFile, ViewsAreReadRowByRow) {
  std::string whole = checkpoint(kZero, "K\x02K\x03\x86", "K\x03K\x01\x86");
  TorchFile file = TorchFile::parse(bytes_of(whole), "f.pt");
  EXPECT_EQ(file.tensors().at("w").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(values_of(file.tensors().at("w")), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  std::string transposed = checkpoint(kZero, "K\x03K\x02\x86", "K\x01K\x03\x86");
  TorchFile other = TorchFile::parse(bytes_of(transposed), "f.pt");
  EXPECT_EQ(values_of(other.tensors().at("w")), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  std::string slice = checkpoint("K\x01", "K\x02\x85", "K\x04\x85");
  TorchFile third = TorchFile::parse(bytes_of(slice), "f.pt");
  EXPECT_EQ(values_of(third.tensors().at("w")), (std::vector<float>{1, 5}));
}

// The same tensor by every call that the format has for one.
TEST(TorchFile, TensorsOfOtherTypesAreTheirNumbers) {
  const std::string plain = arguments(kZero, "K\x03K\x02\x86", "K\x01K\x03\x86"),
                    from_type = "ctorch._tensor\n_rebuild_from_type_v2\n(",
                    parameter = "ctorch._utils\n_rebuild_parameter\n", type = "ctorch.nn.parameter\nParameter\n";
  const std::string typed = from_type + kRebuild + "ctorch\nTensor\n" + plain + "}tR";
  const std::string of_typed = parameter + "(" + typed + kFlagAndHooks + "tR";
  const std::string typed_parameter =
      from_type + parameter + type + "(" + kRebuild + plain + "R" + kFlagAndHooks + "tNtR";
  const std::string sized = kRebuild + arguments(kZero, "ctorch\nSize\nK\x03K\x02\x86\x85R", "K\x01K\x03\x86") + "R";
  for (const std::string& value : {typed, of_typed, typed_parameter, sized}) {
    const std::string whole = file_of(value);
    const TorchFile file = TorchFile::parse(bytes_of(whole), "f.pt");
    EXPECT_EQ(file.tensors().at("w").shape, (std::vector<int64_t>{3, 2}));
    EXPECT_EQ(values_of(file.tensors().at("w")), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  }
  const std::string untyped = "ctorch.storage\nUntypedStorage\n";
  const std::string raw = file_of(kRebuild + arguments(kZero, "K\x18\x85", "K\x01\x85", untyped, "K\x18") + "R");
  const TorchFile bytes = TorchFile::parse(bytes_of(raw), "f.pt");
  EXPECT_EQ(bytes.tensors().at("w").dtype, DType::u8);
  EXPECT_EQ(bytes.tensors().at("w").numel(), 24);
  // What is named beside tensors.
  const std::string model = "}" + text_value("w") + typed + "s";
  const std::string beside = file_of(model + "s" + text_value("dtype") + "ctorch\nfloat16\n", "model");
  EXPECT_EQ(TorchFile::parse(bytes_of(beside), "f.pt").names(), std::vector<std::string>{"w"});
}

TEST(TorchFile, OtherCallsAreNoTensors) {
  const auto message = [](const std::string& value) {
    const std::string whole = file_of(value);
    return error_of([&] { TorchFile::parse(bytes_of(whole), "f.pt"); });
  };
  const std::string plain = arguments(kZero, "K\x06\x85", "K\x01\x85"),
                    from_type = "ctorch._tensor\n_rebuild_from_type_v2\n(", tensor = "ctorch\nTensor\n";
  EXPECT_EQ(message(from_type + kRebuild + "tR"),
            "f.pt: a tensor's arguments: wanted more than 2 values, found no more");
  EXPECT_EQ(message(from_type + kRebuild + tensor + "NNtR"),
            "f.pt: a tensor's arguments: wanted a tuple, found a none");
  EXPECT_EQ(message(from_type + "N" + tensor + plain + "NtR"),
            "f.pt: a tensor's function: wanted a global, found a none");
  EXPECT_EQ(message(from_type + tensor + tensor + plain + "NtR"), "f.pt: 'w': wanted a tensor, found another call");
  EXPECT_EQ(message(tensor + plain + "R"), "f.pt: state dict: 'w': wanted a tensor, found a call");
  EXPECT_EQ(message(kRebuild + arguments(kZero, "ctorch\nSize\n)R", "K\x01\x85") + "R"),
            "f.pt: a tensor's size: wanted more than 0 values, found no more");
  EXPECT_EQ(message(kRebuild + arguments(kZero, "K\x06\x85", "K\x01\x85", "ctorch.storage\nTypedStorage\n") + "R"),
            "f.pt: wanted a type of storage, found torch.storage TypedStorage");
  for (const char* name : {"torch._utils\n_rebuild_tensor_v3\n", "torch\ndevice\n", "torch\nload\n"})
    EXPECT_TRUE(contains(message(std::string("c") + name), "which a file of tensors does not need: refused")) << name;
}

// Each shard gathers what does not lie row by row, and keeps it while others are opened.
TEST(TorchFile, ShardsKeepWhatTheyGathered) {
  TemporaryFolder folder;
  Json map = Json::object();
  for (const std::string name : {"a", "b", "c", "d", "e"}) {
    write_file(folder / (name + ".bin"), checkpoint(kZero, "K\x03K\x02\x86", "K\x01K\x03\x86", name));
    map[name] = name + ".bin";
  }
  write_json(folder / "pytorch_model.bin.index.json", {{"weight_map", map}});
  const TensorFiles files = TensorFiles::open(folder.path());
  ASSERT_EQ(files.tensors().size(), 5u);
  for (const auto& [name, view] : files.tensors())
    EXPECT_EQ(values_of(view), (std::vector<float>{0, 3, 1, 4, 2, 5})) << name;
}

// A size of 0 hides no product that overflows; a stride along a dimension of 1 is never taken.
TEST(TorchFile, ProductsOfSizesAndStrides) {
  const std::string huge("\x8a\x08\0\0\0\0\0\0\0\x40", 10);  // 2^62
  EXPECT_EQ(checkpoint_error(kZero, kZero + huge + "K\x04\x87", "K\x01K\x01K\x01\x87"),
            "f.pt: 'w': wanted a shape of less than 2^63 bytes, found more");
  const std::string whole = checkpoint(kZero, "K\x02K\x01\x86", "K\x02\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x86");
  const TorchFile file = TorchFile::parse(bytes_of(whole), "f.pt");
  EXPECT_EQ(values_of(file.tensors().at("w")), (std::vector<float>{0, 2}));
}

TEST(TorchFile, ViewsOutsideTheirStorageAreRefused) {
  const std::string larger = "f.pt: 'w': wanted a view inside its storage of 6 elements, found a larger one";
  EXPECT_EQ(checkpoint_error("K\x01", "K\x02K\x03\x86", "K\x03K\x01\x86"), larger);
  EXPECT_EQ(checkpoint_error(kZero, "K\x07\x85", "K\x01\x85"), larger);
  EXPECT_EQ(checkpoint_error(kZero, "K\x07\x85", kZero + "\x85"), larger);  // one element seven times
  EXPECT_EQ(checkpoint_error("J\xff\xff\xff\xff", "K\x01\x85", "K\x01\x85"), larger);
  EXPECT_EQ(checkpoint_error(kZero, "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85", "K\x02\x85"), larger);
  EXPECT_EQ(checkpoint_error(kZero, "J\xff\xff\xff\xff\x85", "K\x01\x85"),
            "f.pt: 'w': wanted integers >= 0 as sizes and strides");
  EXPECT_EQ(checkpoint_error(kZero, "K\x02K\x03\x86", "K\x01\x85"),
            "f.pt: 'w': wanted a stride for each of 2 sizes, found 1");
}

TEST(TorchFile, FilesThatAreNoStateDict) {
  auto message = [](const std::string& file) { return error_of([&] { TorchFile::parse(bytes_of(file), "f.pt"); }); };
  EXPECT_EQ(message("text"), "f.pt: wanted a file that torch.save() wrote, found other bytes");
  EXPECT_EQ(message(zip_of({{"a/b", ""}})), "f.pt: wanted one data.pkl, as torch.save() writes, found 0");
  EXPECT_EQ(message(zip_of({{"a/data.pkl", "K\x01."}})), "f.pt: wanted a state dict, found a integer");
  EXPECT_EQ(message(zip_of({{"a/data.pkl", "}."}})), "f.pt: wanted a state dict, found no tensor");
  std::string pickle("}X\x01\0\0\0nK\x01s.", 11);
  EXPECT_EQ(message(zip_of({{"a/data.pkl", pickle}})), "f.pt: state dict: 'n': wanted a tensor, found a integer");
  EXPECT_EQ(message(zip_of({{"a/data.pkl", "}."}, {"a/byteorder", "big"}})),
            "f.pt: wanted little-endian tensors, found byteorder 'big'");
}

TEST(TorchFile, WhatIsWrittenIsReadAndTiedTensorsShareAStorage) {
  TemporaryFolder folder;
  std::string weight = floats({1, 2, 3, 4, 5, 6}), scalar = floats({7});
  write_torch_file(folder / "f.pt", {{"head", DType::f32, {3, 2}, bytes_of(weight)},
                                     {"embedding", DType::f32, {3, 2}, bytes_of(weight)},
                                     {"scale", DType::f32, {}, bytes_of(scalar)}});
  TorchFile file = TorchFile::open(folder / "f.pt");
  EXPECT_EQ(file.names(), (std::vector<std::string>{"head", "embedding", "scale"}));
  EXPECT_EQ(values_of(file.tensors().at("head")), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(file.tensors().at("head").bytes.data(), file.tensors().at("embedding").bytes.data());
  EXPECT_EQ(file.tensors().at("scale").shape, std::vector<int64_t>{});
  EXPECT_EQ(values_of(file.tensors().at("scale")), std::vector<float>{7});
}

}  // namespace
}  // namespace longhaul
