// More than a hundred folders that are broken in as many ways: each is one line that says what was wanted and what was
// found, and exit code 2, whatever was wrong.
#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

#include <cstring>
#include <filesystem>
#include <functional>

#include "io/torch_file.h"
#include "io/zip.h"
#include "models/models.h"
#include "nn/forward.h"
#include "program_test.h"
#include "toy_checkpoint.h"

namespace longhaul {
namespace {

constexpr int kEvery = 6;  // how many cases the program is run for: the others ask the library alone

class BrokenCheckpoint : public ProgramTest {
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
    static int cases = 0;
    if (cases++ % kEvery == 0) ProgramTest::expect_refusal("inspect .", part.substr(part.rfind('/') + 1));
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
      {"num_hidden_layers", 1 << 29, "num_hidden_layers: wanted an integer up to 65536, found 536870912"},
      {"num_hidden_layers", "2", "num_hidden_layers: wanted an integer > 0, found \"2\""},
      {"num_attention_heads", 1 << 29, "num_attention_heads: wanted a divisor of the width 16"},
      {"num_key_value_heads", 3, "num_key_value_heads: wanted a divisor of the 4 heads, found 3"},
      {"head_dim", 3, "head_dim: wanted heads of an even number of dimensions, not of 3"},
      {"intermediate_size", Json::array(), "intermediate_size: wanted an integer > 0, found []"},
      {"rms_norm_eps", "tiny", "rms_norm_eps: wanted a number, found \"tiny\""},
      {"rms_norm_eps", {{"__float__", "NaN"}}, "rms_norm_eps: wanted a number > 0"},
      {"rope_theta", -1, "rope_theta: wanted a number > 0, found -1"},
      {"rope_scaling", {{"type", "yarn"}, {"factor", "4"}}, "rope_scaling.factor: wanted a number > 1, found \"4\""},
      {"rope_scaling", {{"type", 4}}, "rope_scaling.type: wanted a string, found 4"},
      {"rope_scaling", "yarn", "rope_scaling: wanted an object, found \"yarn\""},
      {"rope_parameters", {{"rope_type", "llama3"}, {"factor", 8}}, "rope_parameters.low_freq_factor"},
      {"rope_scaling",
       {{"type", "clex"}, {"max_factor", int64_t{1} << 62}},
       "rope_scaling.max_factor: wanted an integer up to 65536, found 4611686018427387904"},
      {"rope_scaling",
       {{"type", "clex"}, {"param_factor", int64_t{1} << 62}},
       "rope_scaling.param_factor: wanted an integer up to 65536, found 4611686018427387904"},
      {"rope_scaling", {{"type", "clex"}, {"time_dt", 1e-300}}, "rope_scaling.time_dt: wanted at most 1048576 steps"},
      {"rope_scaling", {{"type", "clex"}, {"time_dt", 1e308}}, "rope_scaling.time_dt: wanted a number up to 1"},
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

TEST_F(BrokenCheckpoint, TensorsThatDoNotFit) {
  using Shapes = std::map<std::string, std::vector<int64_t>>;
  const std::string norm = "model.norm.weight", q = "model.layers.0.self_attn.q_proj.weight";
  const std::vector<std::tuple<const char*, std::function<void(Shapes&)>, std::string>> changes = {
      {"missing", [&](Shapes& s) { s.erase(norm); }, "missing model.norm.weight [16]"},
      {"unknown", [&](Shapes& s) { s["model.nrm.weight"] = {16}; }, "unknown model.nrm.weight"},
      {"of another layer",
       [&](Shapes& s) {
         s["model.layers.2.mlp.up_proj.weight"] = {12, 16};
       },
       "unknown model.layers.2."},
      {"misshapen", [&](Shapes& s) { s[norm] = {17}; }, "model.norm.weight: wanted [16], found [17]"},
      {"transposed",
       [&](Shapes& s) {
         s["lm_head.weight"] = {16, 23};
       },
       "lm_head.weight: wanted [23, 16], found [16, 23]"},
      {"flat", [&](Shapes& s) { s[q] = {256}; }, "wanted [16, 16], found [256]"},
      {"scalar", [&](Shapes& s) { s[norm] = {}; }, "wanted [16], found []"},
      {"empty", [&](Shapes& s) { s[norm] = {0}; }, "wanted [16], found [0]"},
      {"a bias", [&](Shapes& s) { s["model.layers.0.self_attn.q_proj.bias"] = {16}; },
       "unknown model.layers.0.self_attn.q_proj.bias"},
      {"a name twice", [&](Shapes& s) { s["norm.weight"] = {16}; }, "unknown norm.weight"},
      {"all at once",
       [&](Shapes& s) {
         s.erase(norm), s["x"] = {1}, s[q] = {16, 15};
       },
       "; "}};
  for (const auto& [what, change, part] : changes) {
    ToyCheckpoint toy = toy_;
    change(toy.shapes);
    toy.write(folder_.path());
    expect_refusal(what, part);
  }
}

TEST_F(BrokenCheckpoint, IndicesThatLie) {
  const std::string index = folder_ / "model.safetensors.index.json",
                    shard = folder_ / "model-00001-of-00002.safetensors";
  std::filesystem::rename(weights_, shard);
  Json names = Json::object();
  for (const auto& [name, shape] : toy_.shapes) names[name] = file_name(shard);
  write_json(index, {{"weight_map", names}});
  load_model(folder_.path());
  const std::string norm = "model.norm.weight", other = "model-00002-of-00002.safetensors";
  std::vector<std::tuple<const char*, Json, const char*>> lies = {
      {"no map", Json::object(), "weight_map: wanted an object"},
      {"empty map", {{"weight_map", Json::object()}}, "weight_map: wanted names of tensors, found none"},
      {"a list", {{"weight_map", Json::array({"a"})}}, "weight_map: wanted an object"},
      {"a list of all", Json::array(), "index.json: "},
      {"null", nullptr, "index.json: "}};
  auto lie = [&](const char* what, const std::string& name, const Json& file, const char* part) {
    Json changed = names;
    changed[name] = file;
    lies.emplace_back(what, Json{{"weight_map", changed}}, part);
  };
  lie("no such shard", norm, other, "model-00002-of-00002.safetensors: ");
  lie("another folder", norm, "../" + file_name(shard), "the name of a file in this folder");
  lie("an absolute path", norm, "/etc/passwd", "the name of a file in this folder");
  lie("a number", norm, 7, "the name of a file in this folder");
  lie("nothing", norm, "", "the name of a file in this folder");
  lie("itself", norm, file_name(index), "model.safetensors.index.json: ");
  lie("the folder", norm, ".", ": ");
  lie("its parent", norm, "..", ": ");
  lie("not in the shard", "model.nrm.weight", file_name(shard),
      "says that it holds model.nrm.weight, found no such tensor");
  lie("the config", norm, "config.json", "config.json: ");
  Json some = names;
  some.erase(norm);
  lies.emplace_back("left out", Json{{"weight_map", some}}, "missing model.norm.weight [16]");
  for (const auto& [what, json, part] : lies) {
    write_json(index, json);
    expect_refusal(what, part);
  }
  write_file(index, "{\"weight_map\": {");
  expect_refusal("half an index", "index.json: not JSON");
  write_json(index, {{"weight_map", names}});
  write_file(shard, whole_.substr(0, whole_.size() - 4));
  expect_refusal("half a shard", "model-00001-of-00002.safetensors: ");
}

TEST_F(BrokenCheckpoint, FilesThatAreNone) {
  const std::string config = folder_ / "config.json";
  auto with_link = [&](const std::string& path, const std::string& target, const char* part) {
    const std::string kept = read_file(path);
    remove_all(path);
    std::filesystem::create_symlink(target, path);
    expect_refusal(path + " -> " + target, part);
    remove_all(path);
    write_file(path, kept);
  };
  with_link(config, "config.json", "config.json");  // a circle
  with_link(config, "nowhere.json", "config.json");
  with_link(config, ".", "config.json");
  with_link(weights_, "model.safetensors", "");
  with_link(weights_, "nowhere", "wanted model.safetensors, model.safetensors.index.json");
  with_link(weights_, ".", "model.safetensors");
  with_link(weights_, "config.json", "model.safetensors: ");
  load_model(folder_.path());
}

// Every key of every family with values that it cannot have, and some that it can: an Error or a model that runs.
TEST(HostileConfigs, AreErrorsOrModels) {
  const std::vector<Json> values = {nullptr,
                                    true,
                                    -1,
                                    0,
                                    1,
                                    3,
                                    1.5,
                                    1e308,
                                    int64_t{1} << 31,
                                    int64_t{1} << 53,
                                    "x",
                                    "",
                                    Json::array(),
                                    Json::object(),
                                    Json::array({0}),
                                    {{"__float__", "NaN"}},
                                    {{"rope_type", "yarn"}, {"factor", 1e300}},
                                    {{"type", "clex"}, {"max_factor", int64_t{1} << 62}},
                                    {{"type", "clex"}, {"param_factor", int64_t{1} << 62}},
                                    {{"type", "dynamic"}, {"factor", 2}}};
  const std::vector<std::string> more = {
      "rope_theta",  "rope_scaling",   "rope_parameters",         "sliding_window",
      "layer_types", "head_dim",       "tie_word_embeddings",     "partial_rotary_factor",
      "hidden_act",  "attention_bias", "max_position_embeddings", "num_key_value_heads",
      "torch_dtype"};
  at::NoGradGuard off;
  int refused = 0, run = 0;
  for (const std::string& family : toy_families()) {
    const ToyCheckpoint toy = toy_checkpoint(family);
    const TemporaryFolder folder;
    toy.write(folder.path());
    std::vector<std::string> keys = more;
    for (const auto& [key, value] : toy.config.items()) keys.push_back(key);
    for (const std::string& key : keys) {
      for (const Json& value : values) {
        Json config = toy.config;
        config[key] = value;
        write_file(folder / "config.json", config.dump());
        SCOPED_TRACE(str(family, ": ", key, " = ", value.dump()));
        try {
          const auto model = load_model(folder.path());
          forward(*model, at::tensor(std::vector<int64_t>{1, 2, 3}), Sequences::equal(1, 3), {});
          ++run;
        } catch (const Error&) {
          ++refused;
        } catch (const std::exception& error) {
          ADD_FAILURE() << error.what();
        }
      }
    }
  }
  EXPECT_GT(refused, 2000);
  EXPECT_GT(run, 500);
}

// Programs for Python's pickle machine: system("true"), eval("1"), a list that holds itself, marks without end, a text
// of 2 GB that is not there, a number of a memo that is not there, a state dict of None.
std::vector<std::string> hostile_pickles() {
  using namespace std::string_literals;
  return {"cos\nsystem\n(S'true'\ntR."s,
          "\x80\x02"
          "cposix\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03."s,
          "\x80\x02"
          "c__builtin__\neval\n(X\x01\x00\x00\x00"
          "1tR."s,
          "\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."s,
          "\x80\x02"
          "ctorch\nload\nX\x04\x00\x00\x00"
          "evil\x85R."s,
          "\x80\x02]q\x00h\x00\x61."s,
          "\x80\x02}q\x00X\x01\x00\x00\x00"
          "ah\x00s."s,
          "\x80\x02N."s,
          "\x80\x02}X\x01\x00\x00\x00"
          "aNs."s,
          "\x80\x02" + std::string(5000, '(') + ".",
          "\x80\x02X\xff\xff\xff\x7f"
          "a."s,
          "\x80\x02h\x07."s,
          "\x80\x02."s,
          "\x80\x02}"s,
          "PK\x03\x04"s};
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
  for (const std::string& pickle : hostile_pickles()) {
    write_file(path, pickle);
    expect_refusal("a hostile pickle", "pytorch_model.bin: ");
    std::string archive;
    write_zip([&](std::string_view bytes) { archive += bytes; }, {{"a/data.pkl", std::as_bytes(std::span(pickle))}});
    write_file(path, archive);
    expect_refusal("a hostile pickle in an archive", "pytorch_model.bin: ");
  }
  std::string flipped = whole;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 1);
  write_file(path, flipped);
  expect_refusal("a bit", "pytorch_model.bin: ");
}

}  // namespace
}  // namespace longhaul
