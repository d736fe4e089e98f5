// `longhaul inspect DIR`: what a model is, and what a length would cost before running it.
#include <ATen/ops/max.h>

#include <cstdio>
#include <map>

#include "base/files.h"
#include "base/strings.h"
#include "bench/rates.h"
#include "cli/command.h"
#include "cli/model_flags.h"
#include "cli/token_flag.h"
#include "io/hub_folder.h"
#include "io/tensor_files.h"
#include "methods/planned_encoding.h"

namespace longhaul {

namespace {

struct InspectFlags : ModelFlags {
  std::string length, weight_dtype, kv_cache_dtype;
  bool tensors = false, frequencies = false;
};

// The dtypes of the stored tensors with their share of the elements: "BF16", "BF16 (99.9%), F32 (0.1%)".
std::string stored_dtypes(const TensorFiles& files) {
  std::map<std::string, double> elements;
  double all = 0;
  for (const auto& [name, tensor] : files.tensors()) {
    elements[name_of(tensor.dtype)] += static_cast<double>(tensor.numel());
    all += static_cast<double>(tensor.numel());
  }
  std::vector<std::string> parts;
  for (const auto& [dtype, count] : elements) {
    char share[32];
    std::snprintf(share, sizeof share, " (%.3g%%)", 100 * count / all);
    parts.push_back(dtype + (elements.size() > 1 ? share : ""));
  }
  return join(parts, ", ");
}

// What things take in memory, in bytes.
struct Held {
  double number = 0;       // of a matrix
  int64_t activation = 0;  // and of any other parameter
  int64_t state = 0;       // of a token: keys and values
};

Held held_by(const Model& model, const InspectFlags& flags) {
  const std::string& dtype = common_flags().dtype;
  const CacheType cache = cache_type(flags.kv_cache_dtype, dtype);
  const auto element = static_cast<int64_t>(at::elementSize(parameter_dtype(dtype)));
  return {inference_options(dtype, flags.weight_dtype).held_bytes(), element,
          model.info().state_bytes_per_token(element_bytes(cache, element), scale_bytes(cache))};
}

double weight_bytes(const Model& model, const Held& held) {
  double matrices = 0;
  for (const Model::Matrix& matrix : model.matrices()) matrices += static_cast<double>(matrix.weight.numel());
  const double others = static_cast<double>(model.parameters().count()) - matrices;
  return matrices * held.number + others * static_cast<double>(held.activation);
}

// What a text of `length` tokens would take: one pass of all of them (perplexity: weights, activations, one layer's
// cache), and one token more behind them. Times are what the machine's rates allow at best.
Json cost_of(const Model& model, int64_t length, const Held& held) {
  const ModelInfo& info = model.info();
  const int64_t state = length * held.state, stream = length * info.width * held.activation;
  const auto weights = static_cast<int64_t>(weight_bytes(model, held));
  // What one token meets: of a mixture, its own experts; of a layer with a window, the keys in it.
  const double read =
      info.keys_of_last(length) / static_cast<double>(info.layers * length) * static_cast<double>(state);
  const double met = info.forward_flops(1, 1) / 2 * held.number + read;
  const MachineRates rates = measure_rates();
  const double flops = info.forward_flops(length, length);
  Json cost = {{"length", length},
               {"flops", flops},
               {"pass_seconds", flops / rates.flops},
               {"perplexity_bytes", weights + 2 * stream + state / info.layers},
               {"decode_state_bytes", state},
               {"decode_bytes", weights + state},
               {"decode_seconds_per_token", met / rates.bytes},
               {"machine", {{"flops_per_second", rates.flops}, {"bytes_per_second", rates.bytes}}}};
  if (info.traits.longest && length > info.traits.longest) cost["impossible"] = info.traits.limit;
  return cost;
}

Json describe(const Model& model, const InspectFlags& flags) {
  const ModelInfo& info = model.info();
  const Held held = held_by(model, flags);
  Json traits = {{"longest", info.traits.longest},
                 {"chunk_exact", info.traits.chunk_exact},
                 {"needs_total", info.traits.needs_total},
                 {"limit", info.traits.limit},
                 {"note", info.traits.note}};
  Json out = {{"model", flags.model},
              {"family", info.family},
              {"label", info.label},
              {"position", info.position},
              {"parameters", model.parameters().count()},
              {"layers", info.layers},
              {"width", info.width},
              {"heads", info.heads},
              {"kv_heads", info.kv_heads},
              {"head_dim", info.head_dim},
              {"hidden", info.hidden},
              {"vocabulary", info.vocab},
              {"trained_length", info.trained_length},
              {"windows", info.windows},
              {"state_bytes_per_token", held.state},
              {"encoding", traits}};
  for (const EncodingFact& fact : model.encoding().facts())
    out["rope"].push_back({{"name", fact.name}, {"value", fact.value}, {"source", fact.source}});
  const TensorFiles files = TensorFiles::open(model_folder(flags.model));
  out["files"] = {{"path", files.where()}, {"dtype", stored_dtypes(files)}};
  if (!flags.length.empty()) out["cost"] = cost_of(model, parse_tokens(flags.length, "--length"), held);
  if (flags.frequencies) {
    const RotaryEncoding* rotary = rotary_of(model.encoding());
    check(rotary, "--frequencies: ", flags.model, " has no rotary positions");
    check(!flags.length.empty(), "--frequencies: wanted --length, the tokens of the text that they are of");
    out["frequencies"] = rotary->rope().policy->frequencies(parse_tokens(flags.length, "--length"));
  }
  if (flags.tensors)
    for (const Parameter& p : model.parameters().all())
      out["tensors"].push_back({{"name", p.name},
                                {"shape", p.tensor.sizes().vec()},
                                {"trainable", p.trainable},
                                {"largest", p.tensor.detach().abs().max().item<double>()}});
  return out;
}

// "3 ms" as well as "2h 05m".
std::string duration(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, seconds < 1e-3 ? "%.3f ms" : "%.3g ms", 1e3 * seconds);
  return seconds < 1 ? text : human_duration(seconds);
}

void print_cost(const Json& cost) {
  auto bytes = [&](const char* key) { return human_bytes(cost[key].get<double>()); };
  auto seconds = [&](const char* key) { return duration(cost[key].get<double>()); };
  const std::string impossible =
      cost.contains("impossible") ? " - impossible: " + cost["impossible"].get<std::string>() : "";
  std::printf("  at %s tokens%s\n", with_commas(cost["length"].get<int64_t>()).c_str(), impossible.c_str());
  std::printf("    a pass          %.3g FLOP, at best %s here; %s while measuring perplexity\n",
              cost["flops"].get<double>(), seconds("pass_seconds").c_str(), bytes("perplexity_bytes").c_str());
  std::printf("    decoding        %s of state, %s in all; at best %s a token here\n",
              bytes("decode_state_bytes").c_str(), bytes("decode_bytes").c_str(),
              seconds("decode_seconds_per_token").c_str());
}

// "4,096 tokens in 16 of 32 layers"; "": no layer has one.
std::string windows_of(const std::vector<int64_t>& windows) {
  std::map<int64_t, size_t> layers;
  for (int64_t window : windows)
    if (window > 0) ++layers[window];
  std::vector<std::string> parts;
  for (const auto& [window, count] : layers)
    parts.push_back(str(with_commas(window), " tokens in ", count, " of ", windows.size(), " layers"));
  return join(parts, ", ");
}

void print(const Json& d) {
  auto number = [&](const char* key) { return with_commas(d[key].get<int64_t>()); };
  auto text = [&](const char* key) { return d[key].get<std::string>(); };
  std::printf("%s\n", text("model").c_str());
  std::printf("  architecture      %s (%s)\n", text("label").c_str(), text("family").c_str());
  std::printf("  parameters        %s\n", number("parameters").c_str());
  std::printf("  layers            %s x width %s, hidden %s\n", number("layers").c_str(), number("width").c_str(),
              number("hidden").c_str());
  std::printf("  heads             %s of %s (%s key-value)\n", number("heads").c_str(), number("head_dim").c_str(),
              number("kv_heads").c_str());
  std::printf("  vocabulary        %s\n", number("vocabulary").c_str());
  std::printf("  stored as         %s in %s\n", d["files"]["dtype"].get<std::string>().c_str(),
              file_name(d["files"]["path"].get<std::string>()).c_str());
  std::printf("  position          %s\n", text("position").c_str());
  if (d.contains("rope"))
    for (const Json& fact : d["rope"])
      std::printf("    %-34s %-22s %s\n", fact["name"].get<std::string>().c_str(),
                  fact["value"].get<std::string>().c_str(), fact["source"].get<std::string>().c_str());
  const int64_t longest = d["encoding"]["longest"];
  const std::string end = str("ends at ", with_commas(longest), ": ", d["encoding"]["limit"].get<std::string>());
  std::printf("  trained length    %s tokens, %s\n", number("trained_length").c_str(),
              longest ? end.c_str() : "no hard limit");
  if (!d["encoding"]["note"].get<std::string>().empty())
    std::printf("  note              %s\n", d["encoding"]["note"].get<std::string>().c_str());
  if (const std::string windows = windows_of(d["windows"]); !windows.empty())
    std::printf("  windows           %s\n", windows.c_str());
  std::printf("  state per token   %s\n", human_bytes(d["state_bytes_per_token"].get<double>()).c_str());
  if (d.contains("cost")) print_cost(d["cost"]);
  if (d.contains("frequencies"))
    for (size_t m = 0; m < d["frequencies"].size(); ++m)
      std::printf("  pair %-4zu          %.10g radians a token\n", m, d["frequencies"][m].get<double>());
  if (d.contains("tensors"))
    for (const Json& t : d["tensors"])
      std::printf("  %-48s %s  max |x| %.4g\n", t["name"].get<std::string>().c_str(), t["shape"].dump().c_str(),
                  t["largest"].get<double>());
}

int inspect(const InspectFlags& flags) {
  LoadOptions load;
  load.dtype = parameter_dtype(common_flags().dtype);
  // Nothing else shows them: a model that does not fit in memory can be looked at.
  load.weights = flags.tensors || flags.frequencies;
  auto model = flags.load_as(load);
  Json description = describe(*model, flags);
  if (common_flags().json)
    std::printf("%s\n", description.dump(2).c_str());
  else
    print(description);
  return 0;
}

}  // namespace

LH_REGISTER(Commands, "inspect",
            "what a model is: parameters, rotary settings and their sources, state per token, cost of a length",
            [](CLI::App& app) {
              auto flags = std::make_shared<InspectFlags>();
              add_model_flags(app, *flags, "model");
              add_weight_dtype(app, flags->weight_dtype);
              add_kv_cache_dtype(app, flags->kv_cache_dtype);
              app.add_option("--length", flags->length, "also say what this many tokens cost (4k, 1m)");
              app.add_flag("--frequencies", flags->frequencies,
                           "list the rotary frequencies in force in a text of --length tokens");
              app.add_flag("--tensors", flags->tensors, "list the tensors");
              return [flags] { return inspect(*flags); };
            });

}  // namespace longhaul
