#include "report/training_log.h"

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/strings.h"

namespace longhaul {

namespace {

void take(const Json& line, const char* key, int64_t step, std::vector<TrainingPoint>& points) {
  if (line.contains(key) && line[key].is_number()) points.push_back({step, line[key].get<double>()});
}

}  // namespace

bool read_training_log(const std::string& folder, TrainingLog& log) {
  std::string path = path_join(folder, "log.jsonl");
  if (!exists(path)) return false;
  std::string text = read_file(path);
  std::vector<std::string> lines = split(text, '\n');
  bool torn = !text.empty() && text.back() != '\n';
  if (torn) lines.pop_back();
  std::vector<double> rates;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    Json line = parse_json(lines[i], str(path, ":", i + 1));
    if (!line.is_object() || !line.contains("step") || !line["step"].is_number()) continue;
    int64_t step = line["step"];
    take(line, "loss", step, log.loss);
    take(line, "val_loss", step, log.validation);
    if (line.contains("tok_per_s") && line["tok_per_s"].is_number()) rates.push_back(line["tok_per_s"]);
  }
  if (!rates.empty()) {
    std::nth_element(rates.begin(), rates.begin() + static_cast<int64_t>(rates.size() / 2), rates.end());
    log.tokens_per_second = rates[rates.size() / 2];
  }
  log.name = file_name(folder);
  return !log.loss.empty() || !log.validation.empty();
}

}  // namespace longhaul
