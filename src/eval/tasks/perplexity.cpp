// Perplexity by length: rolling log-likelihood over windows of a packed data set, under a named protocol.
#include <cmath>

#include "base/strings.h"
#include "eval/protocol.h"
#include "eval/task.h"
#include "text/tokenizer.h"

namespace longhaul {

namespace {

// Targets by how much context they had: bucket k holds contexts of more than 2^(k-1) and at most 2^k tokens.
int64_t bucket(int64_t context) {
  int64_t k = 0;
  while ((int64_t{1} << k) < context) ++k;
  return k;
}

class Perplexity : public Task {
 public:
  Perplexity(Spec& spec, const TaskContext& context)
      : data_(*context.data),
        split_(data_.split(context.split)),
        tokenizer_(data_.tokenizer().empty() ? nullptr : make_tokenizer(data_.tokenizer())),
        protocol_(make_protocol(spec, context.lengths, targets(context))) {}

  Json identity() const override {
    Json json{{"spec", "perplexity:" + protocol_.spec}, {"data", data_.hash()}, {"split", split_.name()}};
    if (protocol_.period) json["period"] = protocol_.period;
    return json;
  }

  Json about() const override {
    return {{"folder", data_.folder()},
            {"tokenizer", data_.tokenizer()},
            {"split_tokens", split_.tokens()},
            {"targets", protocol_.targets},
            {"vocab", data_.vocab_size()}};
  }

  int64_t samples(int64_t length) const override { return protocol_.count(length); }

  Sample sample(int64_t index, int64_t length) const override {
    Window window = protocol_.window(index, length);
    Loglikelihood request{std::vector<int64_t>(window.inputs + 1), window.score_from};
    split_.read(window.first, request.tokens);
    std::vector<int64_t> scored(request.tokens.begin() + window.score_from + 1, request.tokens.end());
    Sample sample;
    sample.what = {{"first", window.first}, {"inputs", window.inputs}, {"score_from", window.score_from}};
    sample.reference = {{"bytes", tokenizer_ ? Json(tokenizer_->decode(scored).size()) : Json()}};
    sample.ledger.prompt = window.inputs;
    sample.request = std::move(request);
    return sample;
  }

  // {nll: nats over all scored targets, tokens, positions: [[largest context of the bucket, nll, tokens], ...]}
  Json stored_reply(const Sample& sample, const Answer& answer) const override {
    int64_t from = std::get<Loglikelihood>(sample.request).score_from;
    std::vector<double> nll(64, 0);
    std::vector<int64_t> tokens(64, 0);
    double total = 0;
    for (size_t i = 0; i < answer.log_prob.size(); ++i) {
      int64_t k = bucket(from + static_cast<int64_t>(i) + 1);
      nll[k] -= answer.log_prob[i];
      ++tokens[k];
      total -= answer.log_prob[i];
    }
    Json positions = Json::array();
    for (size_t k = 0; k < nll.size(); ++k)
      if (tokens[k]) positions.push_back({int64_t{1} << k, nll[k], tokens[k]});
    return {{"nll", total}, {"tokens", answer.log_prob.size()}, {"positions", positions}};
  }

 private:
  int64_t targets(const TaskContext& context) const {
    int64_t available = split_.tokens() - 1;
    check(context.tokens <= available, "--tokens: wanted ", with_commas(context.tokens), " targets, found ",
          with_commas(available), " in split '", split_.name(), "' of ", data_.folder());
    return context.tokens ? context.tokens : available;
  }

  const Dataset& data_;
  const TokenSplit& split_;
  std::unique_ptr<Tokenizer> tokenizer_;  // none: bare shards whose tokenizer nobody named; then no bits per byte
  Protocol protocol_;
};

// A loss that overflowed is stored as null (JSON has no infinities) and stays visible as null.
Json score(const Json& reference, const Json& reply) {
  return {{"nll", reply.at("nll")},
          {"tokens", reply.at("tokens")},
          {"bytes", reference.at("bytes")},
          {"positions", reply.at("positions")}};
}

LH_REGISTER(Tasks, "perplexity", "perplexity by length: protocol=block | stride,stride=S | last-k,last-k=K | upstream",
            TaskFamily{[](Spec& spec, const TaskContext& context) -> std::unique_ptr<Task> {
                         return std::make_unique<Perplexity>(spec, context);
                       },
                       score});

}  // namespace

}  // namespace longhaul
