#include "golden/gpt_fixture.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

#include <set>

#include "base/error.h"

namespace longhaul::golden {

GptFixtureConfig read_gpt_config(const Json& json, const std::string& where) {
  GptFixtureConfig config;
  config.layers = json.at("n_layer");
  config.heads = json.at("n_head");
  config.width = json.at("n_embd");
  config.block_size = json.at("block_size");
  config.vocab = json.at("vocab_size");
  config.position = encoding_for(json.at("pos_method"), config.width / config.heads);
  if (config.position.empty()) return config;
  size_t hole = config.position.find("{cope_max}");
  if (hole != std::string::npos) config.position.replace(hole, 10, json.at("cope_max").dump());
  config.positions = json.value("positions", Json::object());
  JsonReader reader(json, where);  // a key nobody knows would change what the fixture means
  for (const char* key :
       {"n_layer", "n_head", "n_embd", "block_size", "vocab_size", "pos_method", "cope_max", "positions", "note"})
    reader.ignore(key);
  reader.finish();
  return config;
}

Sequences GptFixtureConfig::sequences(int64_t count, int64_t length) const {
  Sequences seq = Sequences::equal(count, length);
  if (positions.empty()) return seq;
  std::vector<double> one = positions.at(std::to_string(length));
  seq.positions = at::tensor(one, at::TensorOptions(at::kDouble)).repeat({count});
  return seq;
}

std::string fixture_name(const Fixture& fixture, const std::string& parameter) {
  if (fixture.has("param." + parameter)) return parameter;
  for (const char* old : {"b_attn", "h_attn"}) {
    std::string name = parameter;
    size_t at = name.find("cable_layer.");
    if (at == std::string::npos) continue;
    name.replace(at, std::string("cable_layer").size(), old);
    if (fixture.has("param." + name)) return name;
  }
  fail(fixture.path, ": has no tensor param.", parameter);
}

std::unique_ptr<Model> make_fixture_model(const Fixture& fixture, const GptFixtureConfig& config,
                                          at::ScalarType dtype) {
  ModelOptions options;
  options.position = config.position;
  options.vocab = config.vocab;
  options.trained_length = config.block_size;
  options.dtype = dtype;
  auto model =
      create_model(str("gpt:layers=", config.layers, ",width=", config.width, ",heads=", config.heads), options);
  at::NoGradGuard off;
  std::set<std::string> used;
  for (const Parameter& p : model->parameters().all()) {
    std::string name = "param." + fixture_name(fixture, p.name);
    used.insert(name);
    Tensor value = fixture.at(name, dtype), target = p.tensor;
    check(value.sizes() == target.sizes(), fixture.path, ": ", name, " is ", value.sizes(), ", our ", p.name, " ",
          target.sizes());
    target.copy_(value);
  }
  for (const std::string& name : fixture.tensors.names())
    check(!name.starts_with("param.") || used.count(name) || name.ends_with("rotary_emb.freqs"), fixture.path,
          ": nobody reads ", name);
  return model;
}

}  // namespace longhaul::golden
