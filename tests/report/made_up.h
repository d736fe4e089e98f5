// Journal records of made-up models, as read_scored() gives them.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "base/json.h"

namespace longhaul {

struct MadeUpModel {
  std::string path, position, seed = "1", recipe = "r";
  std::vector<std::vector<double>> losses;  // [lengths][windows], nats per token
};

inline Json made_up_run(const Json& cells, const std::string& started = "2026-01-01T00:00:00.000000Z") {
  return {{"key", "run " + started},
          {"kind", "run"},
          {"started", started},
          {"command", "longhaul ppl --model 'a & <b>'"},
          {"build", {{"commit", "abc123"}, {"version", "0.1.0"}}},
          {"machine", {{"host", "here"}, {"cpu", "a cpu"}}},
          {"cells", cells}};
}

// Windows of 10 tokens and 20 bytes at lengths 128, 256, ...; the trained length is 128.
inline std::vector<Json> made_up_records(const std::vector<MadeUpModel>& models) {
  std::vector<Json> records, samples;
  Json wanted = Json::object();
  for (const MadeUpModel& model : models)
    for (size_t l = 0; l < model.losses.size(); ++l) {
      int64_t length = int64_t{128} << l;
      std::string cell = model.path + "@" + std::to_string(length);
      Json about{{"weights", model.path},      {"config", "c"},         {"name", model.path}, {"label", "gpt:tiny"},
                 {"position", model.position}, {"trained_length", 128}, {"parameters", 1234}, {"seed", model.seed},
                 {"recipe", model.recipe}};
      Json task{{"spec", "perplexity:protocol=block"},
                {"data", "datahash"},
                {"split", "val"},
                {"folder", "data/code"},
                {"tokenizer", "bytes"},
                {"targets", 20},
                {"split_tokens", 100}};
      records.push_back({{"key", cell},
                         {"kind", "cell"},
                         {"model", about},
                         {"method", "none"},
                         {"task", task},
                         {"length", length},
                         {"settings", {{"dtype", "f32"}}},
                         {"build", {{"commit", "abc123"}}},
                         {"repeat", 0}});
      wanted[cell] = model.losses[l].size();
      for (size_t i = 0; i < model.losses[l].size(); ++i) {
        double nll = model.losses[l][i] * 10;
        Json value = std::isfinite(nll) ? Json(nll) : Json();
        samples.push_back(
            {{"key", cell + "#" + std::to_string(i)},
             {"kind", "sample"},
             {"cell", cell},
             {"index", i},
             {"ledger", {{"prompt", 10}}},
             {"cost", {{"seconds", 0.5}, {"peak_rss_bytes", 1 << 20}, {"skip_rate", 0.25}}},
             {"score",
              {{"nll", value}, {"tokens", 10}, {"bytes", 20}, {"positions", {{1, value, 1}, {16, value, 9}}}}}});
      }
    }
  records.insert(records.begin(), made_up_run(wanted));
  records.insert(records.end(), samples.begin(), samples.end());
  return records;
}

// Three models: two that hold, one that breaks.
inline std::vector<MadeUpModel> three_models() {
  return {{"runs/tiny-rope", "rope", "1", "a", {{1.50, 1.62}, {2.0, 2.2}, {2.9, 3.1}}},
          {"runs/tiny-alibi", "alibi", "1", "b", {{1.64, 1.78}, {1.62, 1.76}, {1.61, 1.75}}},
          {"runs/<tiny> & \"cable\"", "cable", "1", "c", {{1.48, 1.60}, {1.46, 1.58}, {1.44, 1.56}}}};
}

}  // namespace longhaul
