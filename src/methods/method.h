// Length methods: --method yarn:factor=4, --method self-extend:group=8,window=512+log-n. A method is one self-registering file
// here, or a RoPE policy in pos/ (RopeTypes): every rope type is a method of its name, with the keys of its config as settings.
//   LH_REGISTER(Methods, "log-n", "logits grow with the logarithm of the position", [](Spec& spec, const MethodContext& model) {...});
// Parts joined by + come into force together, in any order; two that ask for the same thing are an Error.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/registry.h"
#include "base/spec.h"
#include "methods/length_plan.h"

namespace longhaul {

// What a method may know of its model.
struct MethodContext {
  const Rope* rope = nullptr;  // null: no rotary positions
  int64_t trained_length = 0;
  std::vector<int64_t> windows{};  // of its layers, as in ModelInfo

  bool sees_beyond(int64_t distance) const;  // whether any layer has pairs further apart
  std::string in_open_layers() const;  // to be said of what windows of the model's own would hide; "": it has none
  const Rope& rotary(const std::string& method) const;  // Error that says what the model lacks
};

// A value computed for a model, or an Error that says what the model lacks.
using MethodFactory = std::function<LengthPlan(Spec&, const MethodContext&)>;
Registry<MethodFactory>& Methods();

// Every method by its name: those registered here, and the rope types. Name -> one line.
std::map<std::string, std::string> method_summaries();

// A required length > 0 of a method's settings.
int64_t required_length(Spec& spec, const std::string& key);

// `text` in its canonical spelling, parts sorted: "log-n+yarn:factor=4". Error for bad grammar or an unknown name.
std::string canonical_method(const std::string& text);

// The plan of all parts of `text` together. Errors name the method and the key, with the nearest one that is known.
LengthPlan plan_of(const std::string& text, const MethodContext& context);

// `base` with the methods in force; "none": `base` itself. Error for what the model lacks; a warning for layers that a method changes
// nothing in, because their own window (`windows`: of each layer, as in ModelInfo) holds no far pair.
std::unique_ptr<Encoding> encoding_under(const std::string& text, std::unique_ptr<Encoding> base,
                                         int64_t trained_length, const std::vector<int64_t>& windows = {});

}  // namespace longhaul
