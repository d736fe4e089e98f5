#include "pos/rope_policy.h"

#include <algorithm>

#include "base/log.h"
#include "pos/rotation.h"

namespace longhaul {

namespace {

class FixedRope : public RopePolicy {
 public:
  FixedRope(std::vector<double> frequencies, double factor) : frequencies_(std::move(frequencies)), factor_(factor) {}
  std::vector<double> frequencies(int64_t) const override { return frequencies_; }
  double attention_factor(int64_t) const override { return factor_; }

 private:
  std::vector<double> frequencies_;
  double factor_;
};

std::string shown(double value) {
  std::ostringstream out;
  out.precision(10);
  out << value;
  return out.str();
}

}  // namespace

std::shared_ptr<const RopePolicy> fixed_rope(std::vector<double> frequencies, double attention_factor) {
  return std::make_shared<FixedRope>(std::move(frequencies), attention_factor);
}

double RopeReader::checked(const std::string& key, double least) {
  const double value = settings_->number(key);
  if (!(value > least)) settings_->refuse(key, str("a number > ", least));
  note(key, value, settings_->path(key));
  return value;
}

double RopeReader::factor() {
  check(settings_ != nullptr, "rope: a factor is asked of settings that are not there");
  if (!settings_->is_set("factor")) settings_->refuse("factor", "a number > 1");
  const Json& value = settings_->value("factor");
  const bool good = value.is_number() && value.get<double>() >= 1;  // 1 stands in some configs: nothing is scaled
  if (!good) settings_->refuse("factor", "a number > 1");
  note("factor", value.get<double>(), settings_->path("factor"));
  return value.get<double>();
}

double RopeReader::factor_or(double fallback, const std::string& why) {
  if (is_set("factor")) return factor();
  note("factor", fallback, why);
  return fallback;
}

double RopeReader::positive(const std::string& key, double fallback) {
  if (is_set(key) && settings_->number(key) != 0) return checked(key, 0);
  if (fallback != 0) note(key, fallback, "default");
  return fallback;
}

double RopeReader::required(const std::string& key) { return checked(key, 0); }

std::optional<double> RopeReader::optional(const std::string& key) {
  if (!is_set(key)) return {};
  return checked(key, 0);
}

bool RopeReader::flag(const std::string& key, bool fallback) {
  const bool given = is_set(key), value = given ? settings_->boolean_or(key, fallback) : fallback;
  facts.push_back({key, value ? "true" : "false", given ? settings_->path(key) : "default"});
  return value;
}

int64_t RopeReader::integer(const std::string& key, int64_t fallback, int64_t most) {
  const bool given = is_set(key);
  const int64_t value = given ? settings_->integer(key, 1) : fallback;
  if (value > most) settings_->refuse(key, str("an integer up to ", most));
  facts.push_back({key, std::to_string(value), given ? settings_->path(key) : "default"});
  return value;
}

std::string RopeReader::choice(const std::string& key, const std::vector<std::string>& allowed,
                               const std::string& fallback) {
  const bool given = is_set(key);
  const std::string value = given ? settings_->string(key) : fallback;
  if (std::find(allowed.begin(), allowed.end(), value) == allowed.end())
    settings_->refuse(key, "one of " + join(allowed, ", "));
  facts.push_back({key, value, given ? settings_->path(key) : "default"});
  return value;
}

std::vector<double> RopeReader::pairs(const std::string& key) {
  const std::vector<double> values = settings_->numbers(key);
  const bool good = static_cast<int64_t>(values.size()) == base.dim / 2 &&
                    std::all_of(values.begin(), values.end(), [](double x) { return x > 0; });
  if (!good) settings_->refuse(key, str("a list of ", base.dim / 2, " numbers > 0 (one for each pair that turns)"));
  facts.push_back({key, str(shown(values.front()), " .. ", shown(values.back())), settings_->path(key)});
  return values;
}

int64_t RopeReader::original_length() {
  constexpr const char* kKey = "original_max_position_embeddings";
  int64_t length = base.original_positions ? base.original_positions : base.max_positions;
  std::string source = base.original_positions ? kKey : "max_position_embeddings";
  if (is_set(kKey)) {
    const int64_t inside = settings_->integer(kKey, 1);
    if (current || !base.original_positions)
      length = inside, source = settings_->path(kKey);
    else if (inside != length)
      log_warning(settings_->path(kKey), ": ", inside, " is left out: the model's own ", kKey, " is ", length);
  }
  facts.push_back({kKey, std::to_string(length), source});
  return length;
}

void RopeReader::refuse(const std::string& key, const std::string& wanted) const { settings_->refuse(key, wanted); }

void RopeReader::note(const std::string& name, double value, const std::string& source) {
  facts.push_back(rope_fact(name, value, source));
}

EncodingFact rope_fact(const std::string& name, double value, const std::string& source) {
  return {name, shown(value), source};
}

Registry<RopeFactory>& RopeTypes() {
  static Registry<RopeFactory> registry("rope type");
  return registry;
}

LH_REGISTER(RopeTypes, "default", "frequencies theta^(-2k / dim), at every length",
            [](RopeReader& reader) { return fixed_rope(rotary_frequencies(reader.base.theta, reader.base.dim)); });

}  // namespace longhaul
