#include "io/torch_file.h"

#include <cstring>

#include "io/pickle.h"
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

// {"w": a view of six floats 0..5} as torch.save writes it.
std::string checkpoint(const std::string& offset, const std::string& shape, const std::string& stride,
                       const std::string& root_end = "s.") {
  std::string pickle = std::string("\x80\x02}X\x01\0\0\0w", 9) + "ctorch._utils\n_rebuild_tensor_v2\n((" +
                       std::string("X\x07\0\0\0storage", 12) + "ctorch\nFloatStorage\n" +
                       std::string(
                           "X\x01\0\0\0"
                           "0X\x03\0\0\0cpuK\x06tQ",
                           18) +
                       offset + shape + stride +
                       "\x89"
                       "ccollections\nOrderedDict\n)RtR" +
                       root_end;
  return zip_of({{"a/data.pkl", pickle}, {"a/data/0", floats({0, 1, 2, 3, 4, 5})}});
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
