// kind model: a checkpoint in the Hugging Face layout, loaded as a user loads it: the reference's logits, hidden states and greedy
// continuations, in double and f32; chunks of a prompt and neighbours in a batch change nothing.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "base/files.h"
#include "engine/logit_source.h"
#include "golden/golden.h"
#include "models/models.h"
#include "nn/forward.h"
#include "pos/rotary_encoding.h"

namespace longhaul::golden {

namespace {

constexpr double kSame = 1e-6;  // chunked = one pass, together = alone

struct Case {
  const Fixture& fixture;
  const Model& model;
  at::ScalarType dtype;
  Report& report;

  std::string mode() const { return dtype == at::kDouble ? "double " : "f32 "; }
  double tolerance() const { return dtype == at::kDouble ? 2e-7 : 1e-5; }
  Tensor ids(const std::string& name) const { return fixture.at(name, at::kLong); }
  std::vector<int64_t> list(const std::string& name) const {
    const Tensor values = ids(name).contiguous();
    return {values.const_data_ptr<int64_t>(), values.const_data_ptr<int64_t>() + values.numel()};
  }
};

Tensor logits_of(const Model& model, const Tensor& x) {
  const Head head = model.head();
  return logits(normalize(x, head.norm), head.logits);
}

void compare_sequence(const Case& c, const std::string& name) {
  const Tensor ids = c.ids(name + ".ids");
  const Sequences seq = Sequences::equal(1, ids.size(0));
  ForwardOptions options;
  std::vector<Tensor> hidden;
  options.hidden = &hidden;
  const Tensor x = forward(c.model, ids, seq, options), whole = logits_of(c.model, x);
  c.report.near(c.mode() + name + ".logits", whole, c.fixture.at(name + ".logits"), c.tolerance());
  for (size_t i = 0; i < hidden.size(); ++i) {
    const std::string key = longhaul::str(name, ".hidden.", i);
    if (c.fixture.has(key)) c.report.near(c.mode() + key, hidden[i], c.fixture.at(key), c.tolerance());
  }
  if (c.fixture.has(name + ".final"))
    c.report.near(c.mode() + name + ".final", normalize(x, c.model.head().norm), c.fixture.at(name + ".final"),
                  c.tolerance());
  if (!c.model.info().traits.chunk_exact) return;
  for (int64_t chunk : {1, 7, 64}) {
    ForwardOptions chunked;
    chunked.chunk = chunk;
    c.report.near(longhaul::str(c.mode(), name, ".logits in chunks of ", chunk),
                  logits_of(c.model, forward(c.model, ids, seq, chunked)), whole, kSame);
  }
}

void compare_together(const Case& c) {
  const Tensor a = c.ids("seq0.ids"), b = c.ids("seq1.ids");
  const Tensor both = forward(c.model, at::cat({a, b}), Sequences::whole({a.size(0), b.size(0)}), {});
  c.report.near(c.mode() + "seq1 behind seq0", both.narrow(0, a.size(0), b.size(0)),
                forward(c.model, b, Sequences::equal(1, b.size(0)), {}), kSame);
}

// The likeliest token, again and again, with the logits before each.
void compare_greedy(const Case& c, LogitSource& source, const std::string& name, const std::string& suffix,
                    const char* how) {
  const std::vector<int64_t> prompt = c.list(name + ".prompt"), want = c.list(name + ".tokens" + suffix);
  std::vector<int64_t> tokens;
  std::vector<Tensor> rows = {source.begin(prompt, 1)};
  while (true) {
    tokens.push_back(rows.back().argmax().item<int64_t>());
    if (tokens.size() == want.size()) break;
    rows.push_back(source.next({0}, {tokens.back()})[0]);
  }
  const std::string what = longhaul::str(c.mode(), name, " ", how);
  c.report.equal(what + " tokens", tokens, want);
  const std::string logits = name + ".logits" + suffix;
  if (tokens == want && c.fixture.has(logits))
    c.report.near(what + " logits", at::stack(rows), c.fixture.at(logits), c.tolerance());
}

// Whether the rotation is another one at the end of a continuation than at its beginning. What a cache then holds was made under
// the first: the reference's own cache (stale rotations) is no standard for ours (exact ones), a text read anew is for both.
bool changes_within(const Model& model, int64_t first, int64_t last) {
  const auto* rotary = dynamic_cast<const RotaryEncoding*>(&model.encoding());
  if (!rotary || !rotary->moves_with_length()) return false;
  const RopePolicy& policy = *rotary->rope().policy;
  return policy.frequencies(first) != policy.frequencies(last);
}

void compare_continuation(const Case& c, const std::string& name) {
  const int64_t prompt = c.ids(name + ".prompt").size(0), end = prompt + c.ids(name + ".tokens").size(0);
  const bool changes = changes_within(c.model, prompt, end);
  const std::string anew = c.fixture.has(name + ".tokens_uncached") ? "_uncached" : "";
  if (changes || !anew.empty()) {
    RecomputedLogits source(c.model);
    compare_greedy(c, source, name, anew, "read anew");
  }
  if (changes || !c.model.info().traits.grows()) return;
  Engine engine(c.model, {.tokens = end + kPageRows, .chunk = 16});
  CachedLogits source(engine);
  compare_greedy(c, source, name, "", "from the cache");
}

// What a user does with the same folder and the same dump.
void compare_by_program(const Fixture& fixture, const std::string& folder, Report& report) {
  const std::string dump = fixture.path.substr(0, fixture.path.size() - std::string("json").size()) + "safetensors";
  const std::string line = "'" LH_PROGRAM "' verify '" + folder + "' '" + dump + "' 2>&1";
  std::string said;
  FILE* program = ::popen(line.c_str(), "r");
  check(program != nullptr, "cannot run ", line);
  for (char part[256]; std::fgets(part, sizeof part, program);) said = part;  // the last line says how it ended
  const int status = ::pclose(program);
  report.equal(longhaul::str("longhaul verify: ", said), WIFEXITED(status) ? WEXITSTATUS(status) : 128, 0);
}

bool handle(const Fixture& fixture, Report& report) {
  const std::string folder = fixture.path.substr(0, fixture.path.size() - file_name(fixture.path).size());
  const std::string config = path_join(folder, "config.json");
  if (!exists(config) || !HubFamilies().has(read_python_json(config).value("model_type", ""))) return false;
  at::NoGradGuard off;
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const auto model = load_model(folder, inference_options(dtype == at::kDouble ? "f64" : "f32", ""));
    const Case c{fixture, *model, dtype, report};
    for (const std::string& name : fixture.tensors.names()) {
      if (name.ends_with(".ids")) compare_sequence(c, name.substr(0, name.size() - 4));
      if (name.ends_with(".prompt")) compare_continuation(c, name.substr(0, name.size() - 7));
    }
    if (fixture.has("seq0.ids") && fixture.has("seq1.ids")) compare_together(c);
  }
  if (fixture.has("seq0.ids") && fixture.has("seq0.logits")) compare_by_program(fixture, folder, report);
  return true;
}

const bool claimed = claim("model", handle);

}  // namespace

}  // namespace longhaul::golden
