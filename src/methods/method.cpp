#include "methods/method.h"

#include <algorithm>
#include <cctype>

#include "base/json.h"
#include "base/log.h"
#include "methods/planned_encoding.h"
#include "pos/rotary_encoding.h"

namespace longhaul {

namespace {

constexpr const char* kWhere = "--method";

// Pieces of `text` between separators that stand outside of brackets. A + before a digit is a number's (1e+3).
std::vector<std::string> pieces_of(const std::string& text, char separator) {
  std::vector<std::string> pieces(1);
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    depth += (text[i] == '(' || text[i] == '[') - (text[i] == ')' || text[i] == ']');
    const bool in_number = i + 1 < text.size() && std::isdigit(static_cast<unsigned char>(text[i + 1]));
    if (text[i] == separator && depth == 0 && !in_number)
      pieces.emplace_back();
    else
      pieces.back() += text[i];
  }
  return pieces;
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& [name, summary] : method_summaries()) all.push_back(name);
  return all;
}

// "dynamic:per-request" and "dynamic:per-request,factor=2" mean dynamic:mode=per-request.
std::string with_mode_key(const std::string& part) {
  constexpr std::string_view kDynamic = "dynamic:";
  const std::string text(trim(part));
  if (!text.starts_with(kDynamic)) return text;
  const std::string first = text.substr(kDynamic.size(), text.find(',') - kDynamic.size());
  if (trim(first).empty() || first.find('=') != std::string::npos) return text;
  return str(kDynamic, "mode=", text.substr(kDynamic.size()));
}

Spec spec_of(const std::string& part) {
  check(!trim(part).empty(), kWhere, ": wanted a method, found nothing");
  Spec spec = Spec::parse(with_mode_key(part));
  const bool known = Methods().has(spec.name()) || RopeTypes().has(spec.name());
  check(known, "unknown method '", spec.name(), "'", did_you_mean(spec.name(), names()));
  return spec;
}

// A setting as a config.json would hold it: a number, a length as one, true and false, a list; else text.
Json value_of(const std::string& text) {
  const bool counts = !text.empty() && std::string("kmKM").find(text.back()) != std::string::npos &&
                      std::all_of(text.begin(), text.end() - 1, [](unsigned char c) { return std::isdigit(c); });
  if (counts && text.size() > 1) return parse_length(text, kWhere);
  try {
    return parse_json(text, kWhere);
  } catch (const Error&) {
    return text;
  }
}

// {"yarn": {"factor": 4}}
Json settings_of(const Spec& spec) {
  Json settings = Json::object();
  const std::string text = spec.text();
  if (text.size() > spec.name().size())
    for (const std::string& piece : pieces_of(text.substr(spec.name().size() + 1), ',')) {
      const size_t equals = piece.find('=');
      settings[piece.substr(0, equals)] = value_of(piece.substr(equals + 1));
    }
  return Json{{spec.name(), settings}};
}

LengthPlan rope_plan(const Spec& spec, const MethodContext& context) {
  const Rope& current = context.rotary(spec.name());
  const Json json = settings_of(spec);
  JsonReader reader(json, kWhere);
  JsonReader settings = reader.object(spec.name());
  RopeReader rope_reader(&settings, current.base, current.policy.get());
  LengthPlan plan;
  plan.rope = current;
  plan.rope->type = spec.name();
  plan.rope->policy = RopeTypes().find(spec.name()).make(rope_reader);
  settings.finish();
  plan.rope->anew = false;
  plan.rope->policy_facts = {{"rope_type", spec.name(), kWhere}};
  for (EncodingFact fact : rope_reader.facts) {
    if (fact.source.starts_with(spec.name() + ".")) fact.source = str(kWhere, " ", fact.source);
    plan.rope->policy_facts.push_back(fact);
  }
  return plan;
}

LengthPlan part_plan(const std::string& part, const MethodContext& context) {
  Spec spec = spec_of(part);
  if (!Methods().has(spec.name())) return rope_plan(spec, context);
  LengthPlan plan = Methods().find(spec.name()).make(spec, context);
  spec.finish();
  const std::string text = spec.text();
  plan.facts.insert(plan.facts.begin(), {"method", text, kWhere});
  return plan;
}

// What `one` asks for is taken into `all`.
void join_plans(LengthPlan& all, LengthPlan one, const std::string& part) {
  const auto alone = [&](bool both, const char* what) {
    check(!both, kWhere, ": ", part, ": another part sets ", what, " already");
  };
  alone(all.rope && one.rope, "the rotary frequencies");
  alone(all.far && one.far, "what far pairs see");
  alone(all.logit_scale && one.logit_scale, "the scale of the logits");
  if (one.rope) all.rope = std::move(one.rope);
  if (one.far) all.far = std::move(one.far);
  if (one.logit_scale) all.logit_scale = std::move(one.logit_scale), all.scales_by_length = one.scales_by_length;
  all.facts.insert(all.facts.end(), one.facts.begin(), one.facts.end());
}

// Layers with a window of their own that holds no far pair are as they were: which may be all of them.
void tell_idle_layers(LengthPlan& plan, const std::vector<int64_t>& windows, const std::string& method) {
  const int64_t far = plan.far->window;
  size_t idle = 0;
  int64_t widest = 0;
  for (const int64_t window : windows) {
    if (window == 0 || window > far) continue;
    ++idle;
    widest = std::max(widest, window);
  }
  if (idle == 0) return;
  const std::string why = str("window, ", widest, ", is no larger than the method's, ", far);
  plan.facts.push_back({"layers with far pairs", str(windows.size() - idle, " of ", windows.size()),
                        "elsewhere the model's own " + why});
  log_warning(kWhere, " ", method, ": no far pairs in ", idle, " of ", windows.size(), " layers: their own ", why);
}

}  // namespace

Registry<MethodFactory>& Methods() {
  static Registry<MethodFactory> registry("method");
  return registry;
}

LH_REGISTER(Methods, "none", "the model as it is", [](Spec&, const MethodContext&) { return LengthPlan{}; });

std::map<std::string, std::string> method_summaries() {
  std::map<std::string, std::string> all;
  for (const auto& [name, entry] : Methods().entries()) all[name] = entry.summary;
  for (const auto& [name, entry] : RopeTypes().entries()) all[name] = "rotary: " + entry.summary;
  return all;
}

bool MethodContext::sees_beyond(int64_t distance) const {
  return windows.empty() || std::any_of(windows.begin(), windows.end(),
                                        [&](int64_t window) { return window == 0 || window - 1 > distance; });
}

std::string MethodContext::in_open_layers() const {
  const bool hides = std::any_of(windows.begin(), windows.end(), [](int64_t window) { return window > 0; });
  return hides ? ", in layers without a window of their own" : "";
}

const Rope& MethodContext::rotary(const std::string& method) const {
  check(rope != nullptr, kWhere, ": ", method, " needs rotary positions, the model has none");
  return *rope;
}

int64_t required_length(Spec& spec, const std::string& key) {
  const std::string what = str(spec.name(), ": ", key);
  const int64_t length = parse_length(spec.string(key), what);
  check(length >= 1, what, ": wanted at least 1, got ", length);
  return length;
}

std::string canonical_method(const std::string& text) {
  std::vector<std::string> parts;
  for (const std::string& part : pieces_of(text, '+')) parts.push_back(spec_of(part).text());
  std::sort(parts.begin(), parts.end());
  return join(parts, "+");
}

LengthPlan plan_of(const std::string& text, const MethodContext& context) {
  LengthPlan all;
  for (const std::string& part : pieces_of(text, '+')) join_plans(all, part_plan(part, context), part);
  return all;
}

std::unique_ptr<Encoding> encoding_under(const std::string& text, std::unique_ptr<Encoding> base,
                                         int64_t trained_length, const std::vector<int64_t>& windows) {
  if (canonical_method(text) == "none") return base;
  LengthPlan before;  // what the config asks for beside its rope: it goes where that does
  if (auto* planned = dynamic_cast<PlannedEncoding*>(base.get())) {
    before = planned->plan();
    base = planned->release_base();
  }
  const auto* rotary = dynamic_cast<const RotaryEncoding*>(base.get());
  LengthPlan plan = plan_of(text, {rotary ? &rotary->rope() : nullptr, trained_length, windows});
  if (plan.far) tell_idle_layers(plan, windows, canonical_method(text));
  const bool same_rope = !plan.rope || plan.rope->type == rotary->rope().type;
  if (plan.rope) base = rotary->with(*plan.rope);
  if (!plan.logit_scale && before.logit_scale && same_rope) {
    plan.logit_scale = before.logit_scale, plan.scales_by_length = before.scales_by_length;
    plan.facts.insert(plan.facts.end(), before.facts.begin(), before.facts.end());
  }
  if (!plan.far && !plan.logit_scale) return base;
  return std::make_unique<PlannedEncoding>(std::move(base), std::move(plan));
}

}  // namespace longhaul
