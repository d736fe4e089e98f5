// Folders that are broken in many ways: each is one line that says what was wanted and what was found, whatever was wrong.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "io/torch_file.h"
#include "models/models.h"
#include "support.h"
#include "toy_checkpoint.h"

namespace longhaul {
namespace {

class BrokenCheckpoint : public testing::Test {
 protected:
  BrokenCheckpoint() : weights_(folder_ / "model.safetensors") {
    toy_.write(folder_.path());
    whole_ = read_file(weights_);
    config_ = toy_.config;
  }

  void expect_refusal(const std::string& what, const std::string& part = "") {
    std::string message;
    try {
      load_model(folder_.path());
      message = "no error";
    } catch (const Error& error) {
      message = error.what();
    } catch (const std::exception& error) {
      ADD_FAILURE() << what << ": not a user's error: " << error.what();
      return;
    }
    EXPECT_NE(message, "no error") << what;
    EXPECT_EQ(message.find('\n'), std::string::npos) << what << ": " << message;
    EXPECT_LT(message.size(), 2000u) << what;
    EXPECT_TRUE(contains(message, part)) << what << ": " << message;
  }

  // The header's JSON changed, the data as it is.
  void write_header(const std::function<void(Json&)>& change) {
    uint64_t size = 0;
    std::memcpy(&size, whole_.data(), 8);
    Json header = parse_json(whole_.substr(8, size), "header");
    change(header);
    const std::string text = header.dump();
    size = text.size();
    write_file(weights_,
               std::string(reinterpret_cast<const char*>(&size), 8) + text + whole_.substr(8 + header_size()));
  }
  uint64_t header_size() const {
    uint64_t size = 0;
    std::memcpy(&size, whole_.data(), 8);
    return size;
  }

  ToyCheckpoint toy_ = toy_checkpoint("llama");
  TemporaryFolder folder_;
  std::string weights_, whole_;
  Json config_;
};

TEST_F(BrokenCheckpoint, TruncatedFiles) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{7}, size_t{8}, size_t{100}, size_t{header_size()}, whole_.size() / 2,
                      whole_.size() - 1}) {
    write_file(weights_, whole_.substr(0, size));
    expect_refusal(str(size, " bytes"), "model.safetensors: ");
  }
  write_file(weights_, whole_ + "x");
  expect_refusal("a byte more");
}

TEST_F(BrokenCheckpoint, HeadersThatLie) {
  const std::string name = "model.norm.weight";
  const std::vector<std::pair<std::string, std::function<void(Json&)>>> changes = {
      {"shape", [&](Json& h) { h[name]["shape"] = {17}; }},
      {"negative shape", [&](Json& h) { h[name]["shape"] = {-16}; }},
      {"huge shape",
       [&](Json& h) {
         h[name]["shape"] = {int64_t{1} << 62, int64_t{1} << 62};
       }},
      {"shape of text", [&](Json& h) { h[name]["shape"] = "16"; }},
      {"dtype", [&](Json& h) { h[name]["dtype"] = "F33"; }},
      {"dtype of other size", [&](Json& h) { h[name]["dtype"] = "F64"; }},
      {"integers", [&](Json& h) { h[name]["dtype"] = "I32"; }},
      {"offsets beyond",
       [&](Json& h) {
         h[name]["data_offsets"] = {0, int64_t{1} << 40};
       }},
      {"offsets reversed",
       [&](Json& h) {
         h[name]["data_offsets"] = {64, 0};
       }},
      {"overlapping", [&](Json& h) { h[name]["data_offsets"] = h["lm_head.weight"]["data_offsets"]; }},
      {"no offsets", [&](Json& h) { h[name].erase("data_offsets"); }},
      {"renamed", [&](Json& h) { h["model.nrm.weight"] = h[name], h.erase(name); }},
      {"empty", [&](Json& h) { h = Json::object(); }},
      {"a list", [&](Json& h) { h = Json::array(); }}};
  for (const auto& [what, change] : changes) {
    write_header(change);
    expect_refusal(what, "model.safetensors: ");
  }
  for (const char* header : {"{", "nonsense", "{\"a\":{}}", "[[[["}) {
    const uint64_t size = std::strlen(header);
    write_file(weights_, std::string(reinterpret_cast<const char*>(&size), 8) + header);
    expect_refusal(header);
  }
}

TEST_F(BrokenCheckpoint, ConfigsThatLie) {
  const std::vector<std::tuple<const char*, Json, const char*>> changes = {
      {"model_type", nullptr, "model_type: wanted a string, found null"},
      {"model_type", "bert", "model_type: wanted one of"},
      {"vocab_size", 0, "vocab_size: wanted an integer > 0, found 0"},
      {"vocab_size", 1.5, "vocab_size: wanted an integer > 0, found 1.5"},
      {"vocab_size", int64_t{1} << 50, "vocab_size: wanted an integer up to"},
      {"vocab_size", int64_t{1} << 29, "config.json asks for more than"},
      {"vocab_size", 24, "wanted [24, 16], found [23, 16]"},
      {"hidden_size", -16, "hidden_size: wanted an integer > 0, found -16"},
      {"hidden_size", 17, "num_attention_heads: wanted a divisor of the width 17"},
      {"hidden_size", int64_t{1} << 62, "hidden_size: wanted an integer up to"},
      {"num_hidden_layers", 1, "unknown model.layers.1."},
      {"num_hidden_layers", 1 << 29, "config.json asks for more than"},
      {"num_hidden_layers", "2", "num_hidden_layers: wanted an integer > 0, found \"2\""},
      {"num_attention_heads", 1 << 29, "num_attention_heads: wanted a divisor of the width 16"},
      {"num_key_value_heads", 3, "num_key_value_heads: wanted a divisor of the 4 heads, found 3"},
      {"head_dim", 3, "partial_rotary_factor"},
      {"intermediate_size", Json::array(), "intermediate_size: wanted an integer > 0, found []"},
      {"rms_norm_eps", "tiny", "rms_norm_eps: wanted a number, found \"tiny\""},
      {"rms_norm_eps", {{"__float__", "NaN"}}, "rms_norm_eps: wanted a number > 0"},
      {"rope_theta", -1, "rope_theta: wanted a number > 0, found -1"},
      {"rope_scaling", {{"type", "yarn"}, {"factor", "4"}}, "rope_scaling.factor: wanted a number > 1, found \"4\""},
      {"rope_scaling", {{"type", 4}}, "rope_scaling.type: wanted a string, found 4"},
      {"rope_scaling", "yarn", "rope_scaling: wanted an object, found \"yarn\""},
      {"rope_parameters", {{"rope_type", "llama3"}, {"factor", 8}}, "rope_parameters.low_freq_factor"},
      {"tie_word_embeddings", "yes", "tie_word_embeddings: wanted true or false, found \"yes\""},
      {"attention_bias", true, "missing model.layers.0.self_attn.q_proj.bias [16]"},
      {"hidden_act", 3, "hidden_act: wanted a string, found 3"},
      {"architectures", "LlamaForCausalLM", "architectures: wanted a list of strings"},
      {"is_encoder_decoder", true, "is_encoder_decoder: wanted false"},
      {"quantization_config", {{"quant_method", "gptq"}}, "quantization_config: wanted weights as floating point"},
      {"hiddn_size", 16, "unknown key 'hiddn_size' (did you mean 'hidden_size'?)"}};
  for (const auto& [key, value, part] : changes) {
    Json config = config_;
    config[key] = value;
    write_json(folder_ / "config.json", config);
    expect_refusal(str(key, " ", value.dump()), part);
  }
  for (const std::string& text : {std::string(), std::string("{"), std::string("[]"), std::string("\"model_type\""),
                                  std::string(1000, '['), std::string("{\"a\":") + std::string(400, '{')}) {
    write_file(folder_ / "config.json", text);
    expect_refusal("config " + text.substr(0, 20), "config.json: ");
  }
  remove_all(folder_ / "config.json");
  expect_refusal("no config", "wanted a model directory with config.json, found none in it");
}

TEST_F(BrokenCheckpoint, PicklesThatAreNotStateDicts) {
  const SafetensorsFile file = SafetensorsFile::open(weights_);
  std::vector<NamedTensor> tensors;
  for (const auto& [name, view] : file.tensors()) tensors.push_back({name, view.dtype, view.shape, view.bytes});
  const std::string path = folder_ / "pytorch_model.bin";
  write_torch_file(path, tensors);
  remove_all(weights_);
  load_model(folder_.path());
  const std::string whole = read_file(path);
  for (size_t size : {size_t{0}, size_t{3}, size_t{40}, whole.size() / 3, whole.size() - 30}) {
    write_file(path, whole.substr(0, size));
    expect_refusal(str("a pickle of ", size, " bytes"), "pytorch_model.bin: ");
  }
  for (const char* text : {"cos\nsystem\n(S'true'\ntR.", "\x80\x02N.", "\x80\x02]q\x00h\x00\x61.", "PK\x03\x04"}) {
    write_file(path, text);
    expect_refusal("a hostile pickle", "pytorch_model.bin: ");
  }
  std::string flipped = whole;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 1);
  write_file(path, flipped);
  expect_refusal("a bit", "pytorch_model.bin: ");
}

}  // namespace
}  // namespace longhaul
