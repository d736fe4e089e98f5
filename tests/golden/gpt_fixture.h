// Models out of the fixtures of kind gpt and gpt_trajectory.
#pragma once
#include <memory>
#include <string>

#include "golden/golden.h"
#include "models/models.h"

namespace longhaul::golden {

struct GptFixtureConfig {
  std::string position;  // our spec, "" when it does not exist here
  int64_t layers, heads, width, block_size, vocab;
  Json positions = Json::object();  // {"<length>": the positions of sequences so long}; empty: 0, 1, ...

  Sequences sequences(int64_t count, int64_t length) const;
};
GptFixtureConfig read_gpt_config(const Json& config, const std::string& where);

// The fixture's name for one of our parameters (the first releases call W_h b_attn or h_attn).
std::string fixture_name(const Fixture& fixture, const std::string& parameter);

// Whether the weights are under the names of a release of Cable's authors, so that `longhaul convert` reads them.
bool is_authors(const Fixture& fixture);

// The fixture's weights as the authors' checkpoint, converted and loaded. The encoding that the tensors tell is compared too.
std::unique_ptr<Model> converted_fixture_model(const Fixture& fixture, const GptFixtureConfig& config, Report& report);

// A model with the fixture's `param.*`; Error when a tensor of either side has no partner.
std::unique_ptr<Model> make_fixture_model(const Fixture& fixture, const GptFixtureConfig& config, at::ScalarType dtype);

}  // namespace longhaul::golden
