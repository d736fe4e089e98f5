// Checkpoints in all their containers are one table; what the index says must be so.
#include "io/tensor_files.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/json.h"
#include "support.h"

namespace longhaul {
namespace {

const float kValues[] = {1, 2, 3, 4};

NamedTensor named(const std::string& name, size_t first, int64_t count) {
  return {name, DType::f32, {count}, std::as_bytes(std::span(kValues + first, static_cast<size_t>(count)))};
}

std::vector<float> floats(const TensorView& view) {
  std::vector<float> values(view.bytes.size() / sizeof(float));
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

class TensorFilesTest : public testing::Test {
 protected:
  std::string message() {
    return error_of([&] { TensorFiles::open(folder_.path()); });
  }
  void write_index(const std::string& name, const Json& map) {
    write_json(folder_ / name, {{"metadata", {{"total_size", 16}}}, {"weight_map", map}});
  }
  TemporaryFolder folder_;
};

TEST_F(TensorFilesTest, TakesTheFirstContainerThereIs) {
  EXPECT_TRUE(contains(message(), "wanted model.safetensors, model.safetensors.index.json, pytorch_model.bin, "));
  write_safetensors(folder_ / "consolidated.safetensors", {named("other", 0, 1)});
  EXPECT_TRUE(contains(message(), "found none of them"));
  write_torch_file(folder_ / "pytorch_model-1.bin", {named("c", 2, 2)});
  write_index("pytorch_model.bin.index.json", {{"c", "pytorch_model-1.bin"}});
  EXPECT_EQ(floats(TensorFiles::open(folder_.path()).tensors().at("c")), (std::vector<float>{3, 4}));
  write_torch_file(folder_ / "pytorch_model.bin", {named("b", 1, 2)});
  EXPECT_EQ(floats(TensorFiles::open(folder_.path()).tensors().at("b")), (std::vector<float>{2, 3}));
  write_safetensors(folder_ / "one.safetensors", {named("x.d", 3, 1), named("unlisted", 0, 1)});
  write_index("model.safetensors.index.json", {{"x.d", "one.safetensors"}});
  TensorFiles sharded = TensorFiles::open(folder_.path());
  EXPECT_EQ(sharded.tensors().size(), 1u);  // the index decides
  EXPECT_EQ(TensorFiles::paths(folder_.path()),
            (std::vector<std::string>{folder_ / "model.safetensors.index.json", folder_ / "one.safetensors"}));
  write_safetensors(folder_ / "model.safetensors", {named("a", 0, 4)});
  TensorFiles whole = TensorFiles::open(folder_.path());
  EXPECT_EQ(floats(whole.tensors().at("a")), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(whole.where(), folder_ / "model.safetensors");
}

TEST_F(TensorFilesTest, ForgottenPagesReadAsBefore) {
  const std::vector<float> many(1 << 16, 2.5f);
  write_safetensors(folder_ / "model.safetensors",
                    {{"a", DType::f32, {1 << 16}, std::as_bytes(std::span(many))}, named("b", 0, 4)});
  TensorFiles files = TensorFiles::open(folder_.path());
  for (const auto& [name, tensor] : files.tensors()) files.forget(tensor);
  EXPECT_EQ(floats(files.tensors().at("a")), many);
  EXPECT_EQ(floats(files.tensors().at("b")), (std::vector<float>{1, 2, 3, 4}));
  std::vector<std::byte> elsewhere(1 << 16, std::byte{7});
  files.forget({DType::u8, {1 << 16}, elsewhere});  // no file's: left alone
  EXPECT_EQ(elsewhere.back(), std::byte{7});
}

TEST_F(TensorFilesTest, NamesAreFoundWithoutTheirPrefix) {
  write_safetensors(folder_ / "model.safetensors", {named("h.0.weight", 0, 1), named("transformer.wpe", 1, 1)});
  TensorFiles files = TensorFiles::open(folder_.path());
  EXPECT_EQ(files.find("transformer.h.0.weight"), "h.0.weight");
  EXPECT_EQ(files.find("transformer.wpe"), "transformer.wpe");
  EXPECT_EQ(files.find("h.0.weight"), "h.0.weight");
  EXPECT_EQ(files.find("h.1.weight"), "");
  EXPECT_FALSE(files.has("lm_head"));
}

TEST_F(TensorFilesTest, AnIndexThatLiesIsAnError) {
  const std::string index = "model.safetensors.index.json";
  write_index(index, {{"a", "gone.safetensors"}});
  EXPECT_TRUE(contains(message(), "gone.safetensors"));
  write_safetensors(folder_ / "s.safetensors", {named("a", 0, 1)});
  write_index(index, {{"a", "s.safetensors"}, {"b", "s.safetensors"}, {"c", "s.safetensors"}});
  EXPECT_TRUE(contains(message(), "model.safetensors.index.json says that it holds b, c, found no such tensors"));
  write_index(index, {{"a", "../s.safetensors"}});
  EXPECT_TRUE(
      contains(message(), "weight_map.a: wanted the name of a file in this folder, found \"../s.safetensors\""));
  write_index(index, {{"a", 3}});
  EXPECT_TRUE(contains(message(), "wanted the name of a file in this folder, found 3"));
  write_index(index, Json::object());
  EXPECT_TRUE(contains(message(), "weight_map: wanted names of tensors, found none"));
  write_file(folder_ / index, "{");
  EXPECT_TRUE(contains(message(), "not JSON at byte"));
}

}  // namespace
}  // namespace longhaul
