#include "io/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "base/json.h"
#include "support.h"

namespace longhaul {
namespace {

// A file's bytes: the length of the header (or the lie about it), the header, the data.
std::string file_bytes(const std::string& header, const std::string& data, uint64_t header_size) {
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header_size >> 8 * i & 255);
  return bytes + header + data;
}
std::string file_bytes(const std::string& header, const std::string& data) {
  return file_bytes(header, data, header.size());
}

SafetensorsFile parse(const std::string& bytes) {
  return SafetensorsFile::parse(std::as_bytes(std::span(bytes)), "m.safetensors");
}
std::string parse_error(const std::string& bytes) {
  return error_of([&] { parse(bytes); });
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }
std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

const std::string kHeader =
    R"({"__metadata__":{"format":"pt"},"b":{"dtype":"U8","shape":[2],"data_offsets":[8,10]},)"
    R"("a.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"scalar":{"dtype":"BOOL","shape":[],"data_offsets":[10,11]},)"
    R"("none":{"dtype":"F64","shape":[3,0],"data_offsets":[11,11]}})";
const std::string kData("\x00\x00\x80\x3f\x00\x00\x00\xc0\x07\x09\x01", 11);

TEST(Safetensors, ReadsAFileWrittenByHand) {
  const std::string bytes = file_bytes(kHeader, kData);  // views point into it
  SafetensorsFile file = parse(bytes);
  EXPECT_EQ(file.names(), (std::vector<std::string>{"a.weight", "b", "none", "scalar"}));
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  const TensorView& weight = file.at("a.weight");
  EXPECT_EQ(weight.dtype, DType::f32);
  EXPECT_EQ(weight.shape, (std::vector<int64_t>{1, 2}));
  float values[2];
  std::memcpy(values, weight.bytes.data(), sizeof values);
  EXPECT_EQ(values[0], 1.0f);
  EXPECT_EQ(values[1], -2.0f);
  EXPECT_EQ(text_of(file.at("b").bytes), "\x07\x09");
  EXPECT_EQ(file.at("scalar").numel(), 1);
  EXPECT_EQ(file.at("none").numel(), 0);
  EXPECT_FALSE(file.has("c"));
  EXPECT_EQ(error_of([&] { file.at("a.wieght"); }), "m.safetensors: no tensor 'a.wieght' (did you mean 'a.weight'?)");
}

TEST(Safetensors, EveryDTypeHasItsNameAndSize) {
  const std::vector<std::pair<const char*, int64_t>> sizes = {
      {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8}, {"I32", 4}, {"I16", 2},
      {"I8", 1},  {"U64", 8}, {"U32", 4}, {"U16", 2},  {"U8", 1},  {"BOOL", 1}};
  for (const auto& [name, size] : sizes) {
    DType dtype = dtype_from_name(name, "x");
    EXPECT_STREQ(name_of(dtype), name);
    EXPECT_EQ(size_of(dtype), size) << name;
  }
}

TEST(Safetensors, RoundTripKeepsOrderAlignmentAndMetadata) {
  TemporaryFolder folder;
  const std::string path = folder / "x.safetensors";
  const std::string z(24, 'z'), a(3, 'a'), empty;
  write_safetensors(path,
                    {{"z", DType::f32, {2, 3}, bytes_of(z)},
                     {"a", DType::u8, {3}, bytes_of(a)},
                     {"e", DType::i64, {0}, bytes_of(empty)}},
                    {{"format", "pt"}, {"note", "\"quoted\" \u00e9"}});
  SafetensorsFile file = SafetensorsFile::open(path);
  remove_all(path);  // the map lives on
  EXPECT_EQ(text_of(file.at("z").bytes), z);
  EXPECT_EQ(text_of(file.at("a").bytes), a);
  EXPECT_EQ(file.at("z").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(file.at("e").numel(), 0);
  EXPECT_EQ(file.metadata().at("note"), "\"quoted\" \u00e9");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file.at("z").bytes.data()) % 64, 0u);
  EXPECT_EQ(file.at("z").bytes.data() + 24, file.at("a").bytes.data());  // in the order given
}

TEST(Safetensors, AFileWithoutTensorsIsAFile) {
  TemporaryFolder folder;
  write_safetensors(folder / "x", {});
  EXPECT_TRUE(SafetensorsFile::open(folder / "x").names().empty());
  EXPECT_TRUE(parse(file_bytes("{}", "")).names().empty());
}

TEST(Safetensors, WhatDoesNotFitIsNotWritten) {
  TemporaryFolder folder;
  const std::string path = folder / "x", bytes(8, 'x');
  auto written = [&](std::vector<NamedTensor> tensors) { return error_of([&] { write_safetensors(path, tensors); }); };
  EXPECT_EQ(written({{"a", DType::f32, {3}, bytes_of(bytes)}}), path + ": 'a': wanted 12 bytes for its shape, found 8");
  EXPECT_EQ(written({{"a", DType::f32, {-2}, bytes_of(bytes)}}), path + ": 'a': wanted dimensions >= 0, found -2");
  NamedTensor good{"a", DType::f32, {2}, bytes_of(bytes)};
  EXPECT_EQ(written({good, good}), path + ": 'a': wanted each name once, found it again");
  good.name = "__metadata__";
  EXPECT_NE(written({good}), "no error");
  good.name = "\xff";  // not UTF-8
  EXPECT_TRUE(contains(written({good}), path)) << written({good});
  EXPECT_FALSE(exists(path));
}

TEST(Safetensors, TruncatedAtAnyByteIsAnError) {
  const std::string bytes = file_bytes(kHeader, kData);
  for (size_t size = 0; size < bytes.size(); ++size) {
    std::string message = parse_error(bytes.substr(0, size));
    EXPECT_TRUE(contains(message, "m.safetensors: ")) << size << ": " << message;
  }
  // The header itself cut short, its length telling the truth.
  for (size_t size = 0; size < kHeader.size(); ++size) {
    EXPECT_NE(parse_error(file_bytes(kHeader.substr(0, size), kData)), "no error") << size;
  }
}

TEST(Safetensors, AnyBrokenByteIsAnErrorOrAFile) {
  const std::string bytes = file_bytes(kHeader, kData);
  for (size_t at = 0; at < bytes.size() - kData.size(); ++at) {
    for (unsigned flip : {1u, 2u, 16u, 128u, 255u}) {
      std::string broken = bytes;
      broken[at] = static_cast<char>(static_cast<unsigned char>(broken[at]) ^ flip);
      std::string message =
          parse_error(broken);  // what matters: no other exception, no read outside (address sanitizer)
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    }
  }
}

struct Hostile {
  const char* what;
  std::string bytes;
  const char* message;  // part of it
};

std::string one(const std::string& entry, size_t data = 8) {
  return file_bytes("{" + entry + "}", std::string(data, 'x'));
}

TEST(Safetensors, LyingHeaderLengths) {
  const std::vector<Hostile> cases = {
      {"one byte too long", file_bytes("{}", "", 3), "wanted a header of 3 bytes, found 2"},
      {"2^63", file_bytes("{}", "", uint64_t{1} << 63),
       "wanted a header of at most 100000000 bytes, found 9223372036854775808"},
      {"2^64 - 1", file_bytes("{}", "", ~uint64_t{0}), "wanted a header of at most 100000000 bytes"},
      {"2^64 - 8: 8 + length wraps to 0", file_bytes("{}", "", ~uint64_t{0} - 7), "wanted a header of at most"},
      {"zero", file_bytes("{}", "", 0), "header is not JSON at byte 1"},
      {"short by one", file_bytes("{}", "", 1), "header is not JSON at byte 2"},
      {"no bytes", "", "wanted at least 8 bytes, found 0"}};
  for (const Hostile& hostile : cases) {
    EXPECT_TRUE(contains(parse_error(hostile.bytes), hostile.message))
        << hostile.what << ": " << parse_error(hostile.bytes);
  }
}

TEST(Safetensors, LyingOffsetsAndShapes) {
  const std::vector<Hostile> cases = {
      {"overlap",
       one(R"("a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]},"b":{"dtype":"U8","shape":[5],"data_offsets":[3,8]})"),
       "'b': wanted data from byte 5 on (no gap, no overlap), found 3"},
      {"gap",
       one(R"("a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[5],"data_offsets":[3,8]})"),
       "'b': wanted data from byte 2 on (no gap, no overlap), found 3"},
      {"gap at the start", one(R"("a":{"dtype":"U8","shape":[7],"data_offsets":[1,8]})"),
       "'a': wanted data from byte 0 on"},
      {"shared by two",
       one(R"("a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[8],"data_offsets":[0,8]})"),
       "'b': wanted data from byte 8 on"},
      {"behind the end", one(R"("a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]})"),
       "'a': wanted data inside the 8 bytes of the file, found [0, 9)"},
      {"far behind the end",
       one(R"("a":{"dtype":"U8","shape":[8],"data_offsets":[9223372036854775800,9223372036854775807]})"),
       "'a': wanted data inside"},
      {"2^64 - 1", one(R"("a":{"dtype":"U8","shape":[8],"data_offsets":[0,18446744073709551615]})"),
       "'a': data_offsets: wanted numbers below 2^63"},
      {"backwards", one(R"("a":{"dtype":"U8","shape":[8],"data_offsets":[8,0]})"),
       "'a': wanted data inside the 8 bytes of the file, found [8, 0)"},
      {"negative", one(R"("a":{"dtype":"U8","shape":[8],"data_offsets":[-8,0]})"), "'a': wanted {dtype"},
      {"three offsets", one(R"("a":{"dtype":"U8","shape":[8],"data_offsets":[0,4,8]})"),
       "'a': data_offsets: wanted 2 numbers, found 3"},
      {"one offset", one(R"("a":{"dtype":"U8","shape":[8],"data_offsets":[8]})"),
       "'a': data_offsets: wanted 2 numbers, found 1"},
      {"trailing bytes", one(R"("a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]})", 9),
       "wanted 8 bytes of data, found 9"},
      {"data without tensors", one("", 1), "wanted 0 bytes of data, found 1"},
      {"size", one(R"("a":{"dtype":"F32","shape":[8],"data_offsets":[0,8]})"),
       "'a': wanted 32 bytes for its shape, found 8"},
      {"size of a scalar", one(R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,8]})"),
       "'a': wanted 4 bytes for its shape, found 8"},
      {"product 2^64", one(R"("a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,8]})"),
       "'a': wanted a shape of less than 2^63 bytes"},
      {"product 2^64 + 8", one(R"("a":{"dtype":"F64","shape":[2305843009213693953],"data_offsets":[0,8]})"),
       "'a': wanted a shape of less than 2^63 bytes"},
      {"product with a zero behind",
       one(R"("a":{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]})", 0),
       "'a': wanted a shape of less than 2^63 bytes"},
      {"product with a zero before",
       one(R"("a":{"dtype":"U8","shape":[0,4611686018427387904,4],"data_offsets":[0,0]})", 0),
       "'a': wanted a shape of less than 2^63 bytes"},
      {"negative size", one(R"("a":{"dtype":"U8","shape":[-1],"data_offsets":[0,8]})"), "'a': wanted {dtype"},
      {"broken size", one(R"("a":{"dtype":"U8","shape":[8.0],"data_offsets":[0,8]})"),
       "found the number 8.0 at 'shape'"},
      {"dtype", one(R"("a":{"dtype":"F8","shape":[8],"data_offsets":[0,8]})"), "'a': dtype: wanted one of F64, F32, "},
  };
  for (const Hostile& hostile : cases) {
    EXPECT_TRUE(contains(parse_error(hostile.bytes), hostile.message))
        << hostile.what << ": " << parse_error(hostile.bytes);
  }
}

TEST(Safetensors, HeadersThatAreNoTableOfTensors) {
  const std::string a = R"("a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]})";
  const std::vector<Hostile> cases = {
      {"name twice", one(a + "," + a), "wanted each name once, found 'a' again"},
      {"key twice", one(R"("a":{"dtype":"U8","dtype":"I8","shape":[8],"data_offsets":[0,8]})"),
       "'a': wanted each key once, found 'dtype' again"},
      {"metadata twice", one(a + R"(,"__metadata__":{},"__metadata__":{})"),
       "wanted each name once, found '__metadata__' again"},
      {"metadata key twice", one(a + R"(,"__metadata__":{"k":"1","k":"2"})"),
       "'__metadata__': wanted each key once, found 'k' again"},
      {"metadata of numbers", one(a + R"(,"__metadata__":{"k":1})"),
       "'__metadata__': wanted an object of strings, found a number at 'k'"},
      {"metadata a list", one(a + R"(,"__metadata__":[])"),
       "'__metadata__': wanted an object of strings, found a list"},
      {"key missing", one(R"("a":{"dtype":"U8","shape":[8]})"),
       "'a': wanted the keys dtype, shape, data_offsets, found dtype, shape"},
      {"unknown key", one(R"("a":{"dtype":"U8","shape":[8],"data_offsets":[0,8],"x":"y"})"),
       "'a': wanted {dtype: a name"},
      {"tensor a string", one(R"("a":"U8")"), "'a': wanted {dtype: a name"},
      {"tensor null", one(R"("a":null)"), "'a': wanted {dtype: a name"},
      {"tensor empty", one(R"("a":{})"), "'a': wanted the keys dtype, shape, data_offsets, found "},
      {"dtype a number", one(R"("a":{"dtype":1,"shape":[8],"data_offsets":[0,8]})"), "found a number at 'dtype'"},
      {"dtype a list", one(R"("a":{"dtype":["U8"],"shape":[8],"data_offsets":[0,8]})"), "found a list at 'dtype'"},
      {"shape a number", one(R"("a":{"dtype":"U8","shape":8,"data_offsets":[0,8]})"), "found a number at 'shape'"},
      {"list in a list", one(R"("a":{"dtype":"U8","shape":[[8]],"data_offsets":[0,8]})"), "found a list at 'shape'"},
      {"string in a list", one(R"("a":{"dtype":"U8","shape":["8"],"data_offsets":[0,8]})"),
       "found a string at 'shape'"},
      {"object in a list", one(R"("a":{"dtype":"U8","shape":[{}],"data_offsets":[0,8]})"),
       "found an object at 'shape'"},
      {"header a list", file_bytes("[]", ""), "header: wanted an object, found a list"},
      {"header a number", file_bytes("12", ""), "header: wanted an object, found a number"},
      {"header a string", file_bytes("\"\"", ""), "header: wanted an object, found a string"},
      {"header null", file_bytes("null", ""), "header: wanted an object, found null"},
      {"not JSON", file_bytes("\xff\xfe{}", ""), "header is not JSON at byte 1"},
      {"two objects", file_bytes("{}{}", ""), "header is not JSON at byte 3"},
      {"a zero byte behind", file_bytes(std::string("{}\0", 3), ""), "header is not JSON: it holds a zero byte"},
      {"a huge number", file_bytes(R"({"a":{"shape":[1e999]}})", ""), "header is not JSON"},
      {"deep lists", file_bytes(std::string(1'000'000, '['), ""), "header: wanted an object, found a list"},
      {"deep objects", one(R"("a":{"dtype":{"a":{"a":)" + std::string(1'000'000, '[')), "found an object at 'dtype'"}};
  for (const Hostile& hostile : cases) {
    EXPECT_TRUE(contains(parse_error(hostile.bytes), hostile.message))
        << hostile.what << ": " << parse_error(hostile.bytes);
  }
}

// Files that the reference implementation wrote, when the shared fixtures are beside the source.
TEST(Safetensors, ReadsTheReferenceFixtures) {
  const std::string folder = path_join(LH_SOURCE_DIR, "../shared/golden");
  if (!is_folder(folder)) GTEST_SKIP() << "no fixtures at " << folder;
  int files = 0;
  for (const std::string& path : list_files(folder)) {
    if (!path.ends_with(".safetensors")) continue;
    SafetensorsFile file = SafetensorsFile::open(path);
    EXPECT_FALSE(file.names().empty()) << path;
    for (const std::string& name : file.names()) {
      const TensorView& view = file.at(name);
      EXPECT_EQ(view.numel() * size_of(view.dtype), static_cast<int64_t>(view.bytes.size())) << path << ": " << name;
    }
    ++files;
  }
  EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace longhaul
