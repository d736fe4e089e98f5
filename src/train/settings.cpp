#include "train/settings.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/strings.h"

namespace longhaul {

namespace {

constexpr int64_t kReferenceSteps = 19'073;
constexpr int64_t kDefaultValTokens = 163'840;

// The one list of settings: reading and writing walk it with different visitors.
template <class Settings, class Visitor>
void visit_settings(Settings& s, Visitor&& visit) {
  visit("arch", s.arch);
  visit("pos", s.pos);
  visit("init_from", s.init_from);
  visit("hf_overrides", s.hf_overrides);
  visit("dtype", s.dtype);
  visit("vocab", s.vocab);
  visit("data", s.data);
  visit("data_hash", s.data_hash);
  visit("tokenizer", s.tokenizer);
  visit("tokenizer_hash", s.tokenizer_hash);
  visit("order", s.order);
  visit("seq_len", s.seq_len);
  visit("batch", s.batch);
  visit("total_batch_tokens", s.total_batch_tokens);
  visit("reset_at_documents", s.reset_at_documents);
  visit("steps", s.steps);
  visit("epochs", s.epochs);
  visit("seed", s.seed);
  visit("lr", s.lr);
  visit("min_lr", s.min_lr);
  visit("warmup", s.warmup);
  visit("weight_decay", s.weight_decay);
  visit("beta1", s.beta1);
  visit("beta2", s.beta2);
  visit("eps", s.eps);
  visit("clip", s.clip);
  visit("recompute", s.recompute);
  visit("val_every", s.val_every);
  visit("val_tokens", s.val_tokens);
  visit("eval_lengths", s.eval_lengths);
  visit("save_every", s.save_every);
  visit("keep", s.keep);
  visit("log_every", s.log_every);
  visit("tensorboard", s.tensorboard);
}

struct SettingReader {
  JsonReader& reader;
  void operator()(const char* key, std::string& value) { value = reader.string_or(key, value); }
  void operator()(const char* key, int64_t& value) { value = reader.integer(key, 0); }
  void operator()(const char* key, uint64_t& value) { value = reader.value(key).get<uint64_t>(); }
  void operator()(const char* key, double& value) { value = reader.number(key); }
  void operator()(const char* key, bool& value) { value = reader.boolean_or(key, value); }
  void operator()(const char* key, std::vector<int64_t>& value) { value = reader.integers(key, 1); }
  void operator()(const char* key, std::vector<std::string>& value) {
    if (reader.has(key)) value = reader.strings(key);
  }
};

void check_range(const char* flag, double value, double low, double below) {
  check(value >= low && value < below, flag, ": wanted ", low, " <= x < ", below, ", got ", value);
}

}  // namespace

int64_t TrainSettings::windows(int64_t length) const { return std::max<int64_t>(1, batch * seq_len / length); }

LoaderOptions TrainSettings::loader() const {
  LoaderOptions options;
  options.order = order;
  options.sequences = batch;
  options.length = seq_len;
  options.seed = seed;
  options.reset_at_documents = reset_at_documents;
  return options;
}

void TrainSettings::resolve(const Dataset& dataset) {
  data_hash = dataset.hash();
  tokenizer = dataset.tokenizer();
  tokenizer_hash = dataset.tokenizer_hash();
  if (vocab == 0) vocab = dataset.vocab_size();
  check(vocab >= dataset.vocab_size(), "--vocab: the data's ids go up to ", dataset.vocab_size() - 1, ", got ", vocab);
  constexpr int64_t kMost = int64_t{1} << 31;  // of either: their product is far from 2^63
  check(seq_len >= 1 && batch >= 1 && seq_len < kMost && batch < kMost,
        "--seq-len and --batch: wanted at least 1 and less than 2^31, got ", seq_len, " and ", batch);
  int64_t pass = batch * seq_len, whole = std::max<int64_t>(1, total_batch_tokens / pass) * pass;
  check(total_batch_tokens >= 1 && total_batch_tokens % pass == 0,
        "--total-batch-tokens: wanted a multiple of batch x seq-len = ", batch, " x ", seq_len, " = ", pass,
        " (for example ", whole, "), got ", total_batch_tokens);
  if (min_lr < 0) min_lr = 0.1 * lr;
  resolve_steps(dataset);
  schedule().validate();
  check_range("--beta1", beta1, 0, 1);
  check_range("--beta2", beta2, 0, 1);
  check(eps > 0, "--eps: wanted a number > 0, got ", eps);
  check(weight_decay >= 0 && clip >= 0, "--weight-decay and --clip: wanted numbers >= 0, got ", weight_decay, " and ",
        clip);
  check(save_every >= 1 && log_every >= 1, "--save-every and --log-every: wanted at least 1, got ", save_every, " and ",
        log_every);
  check(keep >= 0 && val_every >= 0, "--keep and --val-every: wanted at least 0, got ", keep, " and ", val_every);
  resolve_validation(dataset);
  make_loader(dataset.split("train"), loader());  // an unknown order, too few tokens: its errors
}

void TrainSettings::resolve_steps(const Dataset& dataset) {
  if (steps > 0) return;
  if (epochs == 0) {
    steps = kReferenceSteps;
    return;
  }
  int64_t tokens = dataset.split("train").tokens();
  steps = epochs * (tokens / total_batch_tokens);
  check(steps > 0, "--epochs: one step takes ", with_commas(total_batch_tokens), " tokens, the train split has only ",
        with_commas(tokens));
}

void TrainSettings::resolve_validation(const Dataset& dataset) {
  if (val_every == 0 || !dataset.has_split("val")) {
    check(eval_lengths.empty() && val_tokens == 0, "--eval-lengths and --val-tokens need a `val` split in ",
          dataset.folder(), " and --val-every > 0");
    val_every = 0;
    return;
  }
  int64_t unit = seq_len;
  int64_t available = dataset.split("val").tokens() - 1;  // every scored token is predicted from one before it
  for (int64_t length : eval_lengths) {
    check(length <= available, "--eval-lengths: the val split of ", dataset.folder(), " has ", with_commas(available),
          " tokens to score, a window of ", with_commas(length), " is longer");
    // Once above what is there it stays above: it need not grow to where it would overflow.
    if (unit <= available) unit = std::lcm(unit, length);
  }
  if (val_tokens == 0) {
    val_tokens = std::max(unit, std::min(kDefaultValTokens, available) / unit * unit);
    check(val_tokens <= available, "--val-every: one window of each length takes ", with_commas(unit),
          " tokens, the val split of ", dataset.folder(), " has ", with_commas(available),
          " to score (--val-every 0: no validation)");
  }
  check(val_tokens % unit == 0, "--val-tokens: wanted a multiple of ", unit,
        " (seq-len and eval-lengths all divide it), so that every length scores the same tokens, got ", val_tokens);
  check(val_tokens <= available, "--val-tokens: the val split of ", dataset.folder(), " has ", with_commas(available),
        " to score, got ", with_commas(val_tokens));
}

Json TrainSettings::json() const {
  Json json;
  visit_settings(*this, [&](const char* key, const auto& value) { json[key] = value; });
  return json;
}

TrainSettings TrainSettings::from_json(const Json& json, const std::string& where) {
  JsonReader reader(json, where);
  TrainSettings settings;
  visit_settings(settings, SettingReader{reader});
  reader.finish();
  return settings;
}

}  // namespace longhaul
