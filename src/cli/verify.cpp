// `longhaul verify DIR golden.safetensors`: a model's logits beside those of a reference implementation.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/log_softmax.h>

#include <cmath>
#include <cstdio>

#include "base/log.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/model_flags.h"
#include "cli/terminal.h"
#include "models/tensor_io.h"
#include "nn/forward.h"

namespace longhaul {

namespace {

struct VerifyFlags : InferenceFlags {
  std::string reference;
  double tolerance = 1e-5;
  int64_t parts = 8;
};

// How far the logits of some positions are from the reference's.
struct Agreement {
  double error = 0;       // max |difference| / max |logit| of the sequence
  double divergence = 0;  // mean KL(reference || ours), nats
  double top = 0;         // share of positions with the same likeliest token
};

Agreement compare(const Tensor& got, const Tensor& want, double largest) {
  Agreement agreement;
  agreement.error = (got - want).abs().max().item<double>() / largest;
  const Tensor a = at::log_softmax(got, 1), b = at::log_softmax(want, 1);
  agreement.divergence = (b.exp() * (b - a)).sum(1).mean().item<double>();
  agreement.top = got.argmax(1).eq(want.argmax(1)).to(at::kDouble).mean().item<double>();
  return agreement;
}

Tensor logits_of(const Model& model, const Tensor& tokens) {
  const Head head = model.head();
  return logits(normalize(forward(model, tokens, Sequences::equal(1, tokens.size(0)), {}), head.norm), head.logits)
      .to(at::kDouble);
}

Json row_of(const std::string& sequence, int64_t begin, int64_t end, const Agreement& agreement) {
  return {{"sequence", sequence},       {"from", begin},        {"to", end}, {"error", agreement.error},
          {"kl", agreement.divergence}, {"top1", agreement.top}};
}

// NAME.ids [T] and NAME.logits [T, V] of the reference: a row of all positions, then rows of `parts` stretches of them.
Json rows_of(const Model& model, const SafetensorsFile& file, const std::string& where, const std::string& name,
             int64_t parts) {
  const Tensor ids = to_tensor(file.at(name + ".ids"), at::kLong);
  const int64_t vocab = model.info().vocab;
  check(ids.dim() == 1 && ids.size(0) > 0, where, ": ", name, ".ids: wanted [T] with T >= 1, found ", ids.sizes());
  const auto lowest = ids.min().item<int64_t>(), highest = ids.max().item<int64_t>();
  check(lowest >= 0 && highest < vocab, where, ": ", name, ".ids: wanted ids of the model, 0 to ", vocab - 1,
        ", found ", lowest < 0 ? lowest : highest);
  const Tensor want = to_tensor(file.at(name + ".logits"), at::kDouble);
  check(want.dim() == 2 && want.size(0) == ids.size(0) && want.size(1) == vocab, where, ": ", name, ".logits: wanted [",
        ids.size(0), ", ", vocab, "], found ", want.sizes());
  const double largest = want.abs().max().item<double>();
  check(std::isfinite(largest) && largest > 0, where, ": ", name,
        ".logits: wanted finite numbers, not all of them 0, found a largest of ", std::abs(largest));
  const Tensor got = logits_of(model, ids);
  const int64_t length = ids.size(0);
  Json rows = Json::array({row_of(name, 0, length, compare(got, want, largest))});
  for (int64_t p = 0; p < parts && parts > 1; ++p) {
    const int64_t begin = length * p / parts, count = length * (p + 1) / parts - begin;
    if (count > 0)
      rows.push_back(row_of(name, begin, begin + count,
                            compare(got.narrow(0, begin, count), want.narrow(0, begin, count), largest)));
  }
  return rows;
}

double shown(double number) { return std::isnan(number) ? NAN : number; }  // without the sign that a NaN may have

void print(const Json& rows) {
  std::printf("%-12s %17s %12s %12s %8s\n", "sequence", "positions", "max error", "KL (nats)", "top-1");
  for (const Json& row : rows) {
    const std::string positions = str(row["from"].get<int64_t>(), "..", row["to"].get<int64_t>() - 1);
    const std::string sequence = without_controls(row["sequence"].get<std::string>());
    std::printf("%-12s %17s %12.3g %12.3g %7.2f%%\n", sequence.c_str(), positions.c_str(),
                shown(row["error"].get<double>()), shown(row["kl"].get<double>()), 100 * row["top1"].get<double>());
  }
}

// What a reference holds.
struct Contents {
  std::vector<std::string> sequences;  // NAME of each
  std::vector<std::string> left_out;   // tensors of no sequence, such as hidden states
};

Contents contents_of(const SafetensorsFile& file, const std::string& where) {
  const std::string ids = ".ids", logits = ".logits";
  const auto without = [](const std::string& tensor, const std::string& ending) {
    return tensor.substr(0, tensor.size() - ending.size());
  };
  Contents contents;
  for (const std::string& tensor : file.names()) {
    if (tensor.ends_with(ids)) {
      contents.sequences.push_back(without(tensor, ids));
      check(file.has(contents.sequences.back() + logits), where, ": wanted ", contents.sequences.back(), logits,
            " beside ", tensor, ", found none");
      const DType dtype = file.at(tensor).dtype;
      check(dtype == DType::i64 || dtype == DType::i32 || dtype == DType::u16 || dtype == DType::u32, where, ": ",
            tensor, ": wanted I64, I32, U32 or U16, found ", name_of(dtype));
    } else if (!tensor.ends_with(logits) || !file.has(without(tensor, logits) + ids)) {
      contents.left_out.push_back(tensor);
    }
  }
  check(!contents.sequences.empty(), where, ": wanted NAME.ids and NAME.logits, found none");
  const size_t left = contents.left_out.size();
  if (left > 0)
    log_warning(where, ": ", left, left > 1 ? " tensors" : " tensor", " that no sequence has left out (",
                contents.left_out.front(), left > 1 ? ", ...)" : ")");
  return contents;
}

int run(const VerifyFlags& flags) {
  check(std::isfinite(flags.tolerance), "--tolerance: wanted a finite number, got ", flags.tolerance);
  at::NoGradGuard off;
  const SafetensorsFile file = SafetensorsFile::open(flags.reference);
  const Contents contents = contents_of(file, flags.reference);
  const auto model = flags.load();
  Json rows = Json::array();
  double worst = 0;
  bool good = true;  // a number that is none is no agreement
  for (const std::string& sequence : contents.sequences) {
    const Json some = rows_of(*model, file, flags.reference, sequence, flags.parts);
    const auto error = some[0]["error"].get<double>();
    good = good && error <= flags.tolerance;
    if (!std::isnan(worst) && !(error <= worst)) worst = error;
    rows.insert(rows.end(), some.begin(), some.end());
  }
  if (common_flags().json) {
    const Json all = {{"model", flags.model},
                      {"dtype", common_flags().dtype},
                      {"weight_dtype", flags.weights()},
                      {"tolerance", flags.tolerance},
                      {"error", worst},
                      {"agrees", good},
                      {"left_out", contents.left_out},
                      {"rows", rows}};
    std::printf("%s\n", json_text(all, "verify", 2).c_str());
  } else {
    print(rows);
    std::printf("%s: max error %.3g of the largest logit, allowed %.3g\n", good ? "agrees" : "DIFFERS", worst,
                flags.tolerance);
  }
  return good ? 0 : 1;
}

std::function<int()> set_up(CLI::App& app) {
  auto flags = std::make_shared<VerifyFlags>();
  add_inference_flags(app, *flags, "model");
  app.add_option("reference", flags->reference, "safetensors file with NAME.ids [T] and NAME.logits [T, V]")
      ->required();
  app.add_option("--tolerance", flags->tolerance, "of the largest difference, as a share of the largest logit")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--parts", flags->parts, "stretches of positions that are shown apart; 1: none")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  return [flags] { return run(*flags); };
}

}  // namespace

LH_REGISTER(Commands, "verify", "a model's logits beside a reference's: error, divergence, agreement by position",
            set_up);

}  // namespace longhaul
