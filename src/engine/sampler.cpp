#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace longhaul {

namespace {

constexpr double kLargestPenalty = 1000;  // any float times it, or divided by its inverse, is a finite double
constexpr double kLargestAddition = 2;    // presence and frequency, as OpenAI's
constexpr double kLargestBias = 1e30;     // far beyond any logit, and a finite double with a penalty

struct Candidate {
  int64_t token;
  double score;
};

// Equal scores: the higher id is the likelier, as in a stable ascending sort.
bool less_likely(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score < b.score : a.token < b.token;
}
bool by_token(const Candidate& a, const Candidate& b) { return a.token < b.token; }

std::vector<double> scores_of(const Tensor& logits) {
  check(logits.dim() == 1 && logits.size(0) > 0, "sampler: logits must be [V], got ", logits.sizes());
  const Tensor values = logits.to(at::kCPU, at::kDouble).contiguous();
  const double* from = values.const_data_ptr<double>();
  std::vector<double> scores(from, from + values.numel());
  bool finite = false;
  for (double score : scores) {
    check(!std::isnan(score) && score < std::numeric_limits<double>::infinity(),
          "sampler: the model's logits are not finite: found ", std::abs(score));  // a NaN has no sign
    finite = finite || std::isfinite(score);
  }
  check(finite, "sampler: the model's logits are not finite: all are -infinity");
  return scores;
}

double largest(const std::vector<Candidate>& candidates) {
  return std::max_element(candidates.begin(), candidates.end(),
                          [](const Candidate& a, const Candidate& b) { return a.score < b.score; })
      ->score;
}

// The tokens whose scores are among the k largest; ties with the smallest of those stay. k = 0: all.
std::vector<Candidate> top_k(const std::vector<double>& scores, int64_t k) {
  double least = -std::numeric_limits<double>::infinity();
  if (k > 0 && k < static_cast<int64_t>(scores.size())) {
    std::vector<double> largest(static_cast<size_t>(k));
    std::partial_sort_copy(scores.begin(), scores.end(), largest.begin(), largest.end(), std::greater<>());
    least = largest.back();
  }
  std::vector<Candidate> candidates;
  for (size_t n = 0; n < scores.size(); ++n)
    if (scores[n] >= least) candidates.push_back({static_cast<int64_t>(n), scores[n]});
  return candidates;
}

// From the likeliest down, while what is above sums to less than p.
void keep_top_p(std::vector<Candidate>& candidates, double p) {
  if (p >= 1) return;
  const double most = largest(candidates);
  double all = 0, above = 0;
  for (const Candidate& c : candidates) all += std::exp(c.score - most);
  std::make_heap(candidates.begin(), candidates.end(), less_likely);
  auto end = candidates.end();
  do {
    above += std::exp(candidates.front().score - most) / all;
    std::pop_heap(candidates.begin(), end--, less_likely);
  } while (end != candidates.begin() && above < p);
  candidates.erase(candidates.begin(), end);
  std::sort(candidates.begin(), candidates.end(), by_token);
}

void keep_min_p(std::vector<Candidate>& candidates, double share) {
  if (share == 0) return;
  const double most = largest(candidates);
  std::erase_if(candidates, [&](const Candidate& c) { return std::exp(c.score - most) < share; });
}

}  // namespace

void SamplerOptions::validate(int64_t vocab, Names names) const {
  const auto name = [names](std::string key) {
    if (names == Names::keys) return key;
    std::replace(key.begin(), key.end(), '_', '-');
    return "--" + key;
  };
  check(temperature >= 0 && std::isfinite(temperature), name("temperature"), ": wanted a number >= 0, got ",
        temperature);
  check(top_k >= 0, name("top_k"), ": wanted a number >= 0, got ", top_k);
  check(top_p >= 0 && top_p <= 1, name("top_p"), ": wanted a number in [0, 1], got ", top_p);
  check(min_p >= 0 && min_p <= 1, name("min_p"), ": wanted a number in [0, 1], got ", min_p);
  check(repetition_penalty >= 1 / kLargestPenalty && repetition_penalty <= kLargestPenalty, name("repetition_penalty"),
        ": wanted a number in [", 1 / kLargestPenalty, ", ", kLargestPenalty, "], got ", repetition_penalty);
  auto check_addition = [&](double penalty, const char* key) {
    check(std::abs(penalty) <= kLargestAddition, name(key), ": wanted a number in [", -kLargestAddition, ", ",
          kLargestAddition, "], got ", penalty);
  };
  check_addition(presence_penalty, "presence_penalty");
  check_addition(frequency_penalty, "frequency_penalty");
  for (const auto& [token, added] : bias) {
    check(token >= 0 && token < vocab, name("logit_bias"), ": wanted an id in [0, ", vocab, "), got ", token);
    check(std::abs(added) <= kLargestBias, name("logit_bias"), ": wanted a number in [", -kLargestBias, ", ",
          kLargestBias, "] for ", token, ", got ", added);
  }
}

Sampler::Sampler(const SamplerOptions& options, uint64_t seed, uint64_t index)
    : options_(options), rng_(seed, stream_of("sampler"), index) {
  options.validate();
}

void Sampler::see(int64_t token) {
  if (options_.repetition_penalty != 1) seen_.insert(token);
}

std::vector<Choice> Sampler::choices(const Tensor& logits) const {
  std::vector<double> scores = scores_of(logits);
  auto score_of = [&](int64_t token) -> double& {
    check(token >= 0 && token < static_cast<int64_t>(scores.size()), "sampler: token ", token, " is not among the ",
          scores.size(), " logits");
    return scores[static_cast<size_t>(token)];
  };
  for (const auto& [token, added] : options_.bias) score_of(token) += added;
  for (int64_t token : seen_) {
    double& score = score_of(token);
    score = score < 0 ? score * options_.repetition_penalty : score / options_.repetition_penalty;
  }
  for (const auto& [token, times] : drawn_) {
    score_of(token) -= options_.presence_penalty + options_.frequency_penalty * static_cast<double>(times);
  }
  if (options_.temperature == 0) return {{std::max_element(scores.begin(), scores.end()) - scores.begin(), 1.0}};
  // Relative to the likeliest: however cold, what is divided is 0 at most, and the likeliest stays at 0.
  const double likeliest = *std::max_element(scores.begin(), scores.end());
  for (double& score : scores) score = (score - likeliest) / options_.temperature;
  std::vector<Candidate> candidates = top_k(scores, options_.top_k);
  keep_top_p(candidates, options_.top_p);
  keep_min_p(candidates, options_.min_p);
  const double most = largest(candidates);
  double all = 0;
  for (Candidate& c : candidates) all += c.score = std::exp(c.score - most);
  std::vector<Choice> choices;
  for (const Candidate& c : candidates) {
    if (c.score > 0) choices.push_back({c.token, c.score / all});
  }
  return choices;
}

int64_t Sampler::next(const Tensor& logits) {
  const std::vector<Choice> all = choices(logits);
  int64_t token = all.back().token;
  if (options_.temperature > 0) {
    double left = rng_.uniform();
    for (const Choice& choice : all) {
      left -= choice.probability;
      if (left >= 0) continue;
      token = choice.token;
      break;
    }
  }
  see(token);
  if (options_.presence_penalty != 0 || options_.frequency_penalty != 0) ++drawn_[token];
  return token;
}

}  // namespace longhaul
