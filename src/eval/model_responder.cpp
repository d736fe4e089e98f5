#include <ATen/ops/from_blob.h>

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "eval/responder.h"
#include "io/hub_folder.h"
#include "io/tensor_files.h"
#include "methods/method.h"
#include "models/models.h"
#include "nn/forward.h"

namespace longhaul {

namespace {

constexpr int64_t kBatchTokens = 8192;   // short windows are packed up to this many tokens a forward.
                                         // Constant, so that a batch is the same on every machine and after
                                         // every interruption
constexpr int64_t kDefaultChunk = 4096;  // longer windows go through a layer in pieces of this many tokens

class ModelResponder : public Responder {
 public:
  ModelResponder(std::unique_ptr<Model> model, int64_t chunk) : model_(std::move(model)), chunk_(chunk) {}

  Json about() const override {
    const ModelInfo& info = model_->info();
    return {{"label", info.label},
            {"position", info.position},
            {"trained_length", info.trained_length},
            {"parameters", model_->parameters().count()}};
  }

  std::string refusal(int64_t length) const override {
    const Traits& traits = model_->info().traits;
    if (traits.longest == 0 || length <= traits.longest) return "";
    return str(model_->info().position, " knows no position beyond ", traits.longest, ": ", traits.limit);
  }

  int64_t batch(int64_t length) const override { return std::max<int64_t>(1, kBatchTokens / length); }

  Answers answer(const std::vector<Request>& requests) const override {
    std::vector<int64_t> tokens, targets, lengths;
    for (const Request& request : requests) {
      const auto& asked = std::get<Loglikelihood>(request);
      int64_t inputs = static_cast<int64_t>(asked.tokens.size()) - 1;
      lengths.push_back(inputs);
      tokens.insert(tokens.end(), asked.tokens.begin(), asked.tokens.end() - 1);
      targets.insert(targets.end(), asked.score_from, -100);
      targets.insert(targets.end(), asked.tokens.begin() + asked.score_from + 1, asked.tokens.end());
    }
    AttentionStats stats;
    ForwardOptions options;
    options.chunk = chunk_for(*std::max_element(lengths.begin(), lengths.end()));
    options.stats = &stats;
    TokenScores scores = score_tokens(*model_, tensor(tokens), tensor(targets), Sequences::whole(lengths), options);
    Answers answers{split(scores.log_prob, requests, lengths), {{"chunk", options.chunk}}};
    if (!stats.tiles.empty()) answers.cost["skip_rate"] = stats.skip_rate();
    return answers;
  }

 private:
  static Tensor tensor(std::vector<int64_t>& values) {
    return at::from_blob(values.data(), {static_cast<int64_t>(values.size())}, at::kLong);
  }

  // Given windows of one forward; an encoding that is not exact in chunks takes
  // every window whole.
  int64_t chunk_for(int64_t length) const {
    if (chunk_) return chunk_ < length ? chunk_ : 0;
    return length > kDefaultChunk * 2 && model_->info().traits.chunk_exact ? kDefaultChunk : 0;
  }

  static std::vector<Answer> split(const Tensor& log_prob, const std::vector<Request>& requests,
                                   const std::vector<int64_t>& lengths) {
    const double* values = log_prob.const_data_ptr<double>();
    std::vector<Answer> answers;
    for (size_t b = 0; b < requests.size(); ++b) {
      answers.push_back({{values + std::get<Loglikelihood>(requests[b]).score_from, values + lengths[b]}});
      values += lengths[b];
    }
    return answers;
  }

  std::unique_ptr<Model> model_;
  int64_t chunk_;
};

// The seed of a run and the hash of everything else that decided it: runs that
// share a recipe differ only in their seed.
Json run_facts(const std::string& folder, Json config) {
  std::string path = path_join(folder, "train.json");
  if (!exists(path)) return Json::object();
  Json settings = read_json(path);
  Json facts = Json::object();
  if (settings.contains("seed")) facts["seed"] = settings["seed"];
  settings.erase("seed");
  settings.erase("tensorboard");  // decides nothing
  config.erase("seed");
  facts["recipe"] = hash_hex(config.dump() + settings.dump());
  return facts;
}

std::unique_ptr<Model> load_subject(const std::string& folder, const ModelSubjectOptions& options, bool weights) {
  LoadOptions load = inference_options(options.dtype, options.weight_dtype);
  load.overrides = options.overrides;
  load.method = options.method;
  load.weights = weights;
  std::unique_ptr<Model> model = load_model(folder, load);
  const ModelInfo& info = model->info();
  check(options.vocab <= info.vocab, folder, ": wanted a vocabulary of at least ", with_commas(options.vocab),
        " (the data's), found ", with_commas(info.vocab));
  check(options.chunk == 0 || info.traits.chunks(), "--chunk ", options.chunk, ": ", info.position,
        " is not exact in chunks (", info.traits.note, ")");
  return model;
}

}  // namespace

void check_model_subject(const std::string& name, const ModelSubjectOptions& options) {
  const std::string folder = model_folder(name);
  const LogPause until_it_is_loaded;
  try {
    load_subject(folder, options, false);
  } catch (const Error& error) {
    const std::string why = error.what();
    fail(why.starts_with(folder + "/") || why.starts_with(folder + ":") ? "" : name + ": ", why);
  }
}

Subject model_subject(const std::string& name, const ModelSubjectOptions& options) {
  const std::string folder = model_folder(name), config = path_join(folder, "config.json");
  check(exists(config), folder, ": wanted a model directory with config.json, found none in it");
  std::string weights;  // of shards: the hash of their hashes and of the index's
  const std::vector<std::string> files = TensorFiles::paths(folder);
  for (const std::string& file : files) weights += hash_file(file);
  if (files.size() > 1) weights = hash_hex(weights);
  Subject subject;
  subject.name = name;
  subject.identity = {{"weights", weights}, {"config", hash_file(config)}};
  if (!options.overrides.empty()) subject.identity["overrides"] = options.overrides;
  subject.run = run_facts(folder, read_python_json(config));
  subject.method = canonical_method(options.method);
  subject.settings = {{"dtype", options.dtype}, {"device", options.device}};
  const std::string weight_dtype = options.weight_dtype.empty() ? options.dtype : options.weight_dtype;
  if (weight_dtype != options.dtype || weight_dtype == "bf16") subject.settings["weight_dtype"] = weight_dtype;
  if (options.chunk > 0) {
    const LogPause until_it_is_loaded;
    if (load_subject(folder, options, false)->info().traits.by_chunk)
      subject.settings["chunk"] = options.chunk;  // there, how a text is cut decides what comes of it
  }
  subject.journal = options.journal.empty() ? path_join(folder, "eval") : options.journal;
  subject.load = [folder, options]() -> std::unique_ptr<Responder> {
    return std::make_unique<ModelResponder>(load_subject(folder, options, true), options.chunk);
  };
  return subject;
}

}  // namespace longhaul
