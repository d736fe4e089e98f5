#include "models/cable_checkpoint.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "base/error.h"
#include "base/strings.h"

namespace longhaul {

namespace {

using Names = std::set<std::string>;

// What an attention layer has beside c_attn and c_proj ("wpe": the whole model), and the encodings that have exactly that.
struct Clue {
  Names tensors;
  std::vector<std::string> positions;
};
const std::vector<Clue>& clues() {
  static const std::vector<Clue> rows = {
      {{}, {"nope", "alibi:variant=upstream", "sinusoidal:variant=upstream"}},
      {{"wpe"}, {"learned"}},
      {{"rotary_emb"}, {"rope:variant=upstream"}},
      {{"alibi_scale"}, {"alibi2"}},
      {{"t5_position"}, {"t5:variant=upstream"}},
      {{"bias_a", "bias_p"}, {"kerple"}},
      {{"L_multiplier", "c", "init_L", "mlp_fire"}, {"fire:variant=upstream"}},
      {{"b_attn"}, {"cable:variant=v1a"}},
      {{"h_attn"}, {"cable:variant=v1b"}},
      {{"cable_layer"}, {"cable:variant=nw", "cable:variant=5", "kcable:variant=nw", "kcable:variant=5"}},
      {{"cable_layer", "cable_layer_scale"}, {"cable", "cable:variant=7", "kcable"}},
      {{"mlp_dape"}, {"dape:base=(alibi:variant=upstream),variant=upstream"}},
      {{"bias_a", "bias_p", "mlp_dape"}, {"dape:base=(kerple),variant=upstream"}},
      {{"L_multiplier", "c", "init_L", "mlp_dape", "mlp_fire"}, {"dape:base=(fire:variant=upstream),variant=upstream"}},
      {{"cable_layer", "mlp_dape"},
       {"dape:base=(cable:variant=nw),variant=upstream", "dape:base=(kcable:variant=dape-upstream),variant=upstream"}},
  };
  return rows;
}

// Tensors that have the number of heads as a dimension.
struct HeadClue {
  const char* tensor;
  size_t dimension;
};
constexpr HeadClue kHeadClues[] = {{"cable_layer.weight", 0}, {"alibi_scale.weight", 0},
                                   {"t5_position.weight", 1}, {"bias_p", 0},
                                   {"mlp_fire.2.weight", 0},  {"mlp_dape.2.weight", 0}};

constexpr int64_t kHeadDim = 64;  // of every size that the authors trained
constexpr const char* kAttention = ".attn.";

// Reads names and shapes; every step leaves a line about what it concluded.
class Reading {
 public:
  Reading(const TorchFile& file, const CheckpointHints& hints, const std::string& where)
      : hints_(hints), where_(where) {
    take_tensors(file);
    drop_prefixes();
    drop_tied_head();
    drop_constants();
    find_position();
    rename_first_releases();
    find_sizes();
  }

  CableCheckpoint result() {
    CableCheckpoint out;
    out.config = {{"architectures", {"LonghaulGPT"}},
                  {"label", str("gpt:layers=", layers_, ",width=", width_, ",heads=", heads_)},
                  {"position", position_},
                  {"n_layer", layers_},
                  {"n_head", heads_},
                  {"n_embd", width_},
                  {"vocab_size", vocab_},
                  {"block_size", block_size_},
                  {"model_type", "longhaul-gpt"}};
    for (const auto& [name, view] : tensors_) out.tensors.push_back({name, view.dtype, view.shape, view.bytes});
    out.inferences = std::move(lines_);
    return out;
  }

 private:
  template <class... Parts>
  void note(const Parts&... parts) {
    lines_.push_back(str(parts...));
  }

  void take_tensors(const TorchFile& file) {
    for (const std::string& name : file.names()) tensors_.emplace_back(name, file.tensors().at(name));
  }

  const TensorView* find(const std::string& name) const {
    for (const auto& [known, view] : tensors_) {
      if (known == name) return &view;
    }
    return nullptr;
  }

  // The dimensions of a tensor that every checkpoint has.
  std::vector<int64_t> shape_of(const std::string& name, size_t rank) const {
    const TensorView* view = find(name);
    check(view != nullptr, where_, ": wanted a GPT of Cable's authors, found no tensor ", name);
    check(view->shape.size() == rank, where_, ": ", name, ": wanted ", rank, " dimensions, found ", view->shape.size());
    return view->shape;
  }

  // Of torch.compile and DistributedDataParallel.
  void drop_prefixes() {
    for (bool found = true; found;) {
      found = false;
      for (const std::string prefix : {"_orig_mod.", "module."}) {
        auto has = [&](const auto& tensor) { return tensor.first.starts_with(prefix); };
        if (!std::all_of(tensors_.begin(), tensors_.end(), has)) continue;
        for (auto& [name, view] : tensors_) name.erase(0, prefix.size());
        note("names: without the prefix ", prefix);
        found = true;
      }
    }
  }

  void drop_tied_head() {
    const TensorView *head = find("lm_head.weight"), *embedding = find("transformer.wte.weight");
    if (!head || !embedding) return;
    bool same = head->shape == embedding->shape && head->bytes.size() == embedding->bytes.size() &&
                std::memcmp(head->bytes.data(), embedding->bytes.data(), head->bytes.size()) == 0;
    check(same, where_, ": wanted lm_head.weight tied to transformer.wte.weight, found different values");
    drop("lm_head.weight");
    note("lm_head.weight: equals transformer.wte.weight, stored once");
  }

  void drop(const std::string& name) {
    std::erase_if(tensors_, [&](const auto& tensor) { return tensor.first == name; });
  }

  // Buffers whose values the encoding knows: causal masks, and the rotary embedding's frequencies.
  void drop_constants() {
    Names masks, frequencies;
    for (const auto& [name, view] : tensors_) {
      size_t rank = view.shape.size();
      bool is_mask = (name.ends_with(".attn.bias") || name.ends_with(".attn.mask")) && rank >= 2 &&
                     view.shape[rank - 1] == view.shape[rank - 2];
      if (is_mask) {
        mask_size_ = view.shape.back();
        masks.insert(name);
      } else if (name.ends_with(".attn.rotary_emb.freqs")) {
        check_frequencies(name, view);
        frequencies.insert(name);
      }
    }
    modules_of_constants_ = frequencies.empty() ? Names{} : Names{"rotary_emb"};
    for (const Names& names : {masks, frequencies}) {
      for (const std::string& name : names) drop(name);
    }
    if (!masks.empty()) note("causal masks: constants, not stored");
    if (!frequencies.empty()) note("rotary_emb.freqs: 10000^(-2k/64) as expected, not stored");
  }

  void check_frequencies(const std::string& name, const TensorView& view) const {
    check(view.dtype == DType::f32 && view.shape == std::vector<int64_t>{kHeadDim / 2}, where_, ": ", name, ": wanted ",
          kHeadDim / 2, " numbers of F32");
    for (int64_t k = 0; k < kHeadDim / 2; ++k) {
      float found;
      std::memcpy(&found, view.bytes.data() + k * static_cast<int64_t>(sizeof found), sizeof found);
      double wanted = std::pow(10000.0, -2.0 * static_cast<double>(k) / kHeadDim);
      check(std::abs(found - wanted) <= 1e-5 * wanted, where_, ": ", name, "[", k,
            "]: wanted 10000^(-2k/64) = ", wanted, ", found ", found);
    }
  }

  // "c" of "transformer.h.3.attn.c", "mlp_fire" of "transformer.h.3.attn.mlp_fire.0.weight"
  Names attention_modules() const {
    Names modules = modules_of_constants_;
    for (const auto& [name, view] : tensors_) {
      size_t at = name.find(kAttention);
      if (at == std::string::npos) continue;
      std::string rest = name.substr(at + std::strlen(kAttention));
      modules.insert(rest.substr(0, rest.find('.')));
    }
    modules.erase("c_attn");
    modules.erase("c_proj");
    if (find("transformer.wpe.weight")) modules.insert("wpe");
    return modules;
  }

  void find_position() {
    Names modules = attention_modules();
    std::string found = modules.empty() ? "nothing" : join({modules.begin(), modules.end()}, ", ");
    if (!hints_.position.empty()) {
      position_ = hints_.position;
      note("position: ", position_, " as --pos says (beside c_attn and c_proj the file has ", found, ")");
      return;
    }
    for (const Clue& clue : clues()) {
      if (clue.tensors != modules) continue;
      check(clue.positions.size() == 1, where_, ": beside c_attn and c_proj the file has ", found, ", which fits ",
            join(clue.positions, " and "), ": say which with --pos");
      position_ = clue.positions.front();
      note("position: ", position_, ", from ", found);
      return;
    }
    fail(where_, ": beside c_attn and c_proj the file has ", found,
         ", which fits no encoding of the authors; if it is ",
         "one of `longhaul list encodings`, say which with --pos");
  }

  // W_h had other names.
  void rename_first_releases() {
    for (const std::string old : {".attn.b_attn.", ".attn.h_attn."}) {
      for (auto& [name, view] : tensors_) {
        size_t at = name.find(old);
        if (at != std::string::npos) name.replace(at, old.size(), ".attn.cable_layer.");
      }
    }
  }

  void find_sizes() {
    std::vector<int64_t> embedding = shape_of("transformer.wte.weight", 2);
    vocab_ = embedding[0];
    width_ = embedding[1];
    while (find(str("transformer.h.", layers_, ".attn.c_attn.weight"))) ++layers_;
    note("layers: ", layers_, ", width: ", width_, ", vocabulary: ", vocab_, ", from the shapes");
    find_heads();
    find_block_size();
  }

  void find_heads() {
    std::string from;
    for (const HeadClue& clue : kHeadClues) {
      const TensorView* view = find(std::string("transformer.h.0.attn.") + clue.tensor);
      if (!view || view->shape.size() <= clue.dimension || !from.empty()) continue;
      heads_ = view->shape[clue.dimension];
      from = clue.tensor;
    }
    if (hints_.heads > 0) {
      check(from.empty() || heads_ == hints_.heads, where_, ": --heads ", hints_.heads, ": ", from, " says ", heads_);
      heads_ = hints_.heads;
      note("heads: ", heads_, " as --heads says");
    } else if (!from.empty()) {
      note("heads: ", heads_, ", from ", from);
    } else {
      check(width_ % kHeadDim == 0, where_, ": no tensor tells the number of heads, and a width of ", width_,
            " is no multiple of ", kHeadDim, ": say it with --heads");
      heads_ = width_ / kHeadDim;
      note("heads: ", heads_, " = width / ", kHeadDim, ", as in every size of the authors (--heads says otherwise)");
    }
  }

  void find_block_size() {
    int64_t found = mask_size_;
    std::string from = "the causal mask";
    if (find("transformer.wpe.weight")) {
      found = shape_of("transformer.wpe.weight", 2)[0];
      from = "transformer.wpe.weight";
    }
    check(found > 0 || hints_.block_size > 0, where_,
          ": no tensor tells the trained length: say it with --block-size (the authors' models: 1k or 512)");
    check(found == 0 || hints_.block_size == 0 || found == hints_.block_size, where_, ": --block-size ",
          hints_.block_size, ": ", from, " says ", found);
    block_size_ = found > 0 ? found : hints_.block_size;
    note("trained length: ", block_size_, found > 0 ? ", from " + from : " as --block-size says");
  }

  const CheckpointHints& hints_;
  const std::string& where_;
  std::vector<std::pair<std::string, TensorView>> tensors_;
  Names modules_of_constants_;
  std::vector<std::string> lines_;
  std::string position_;
  int64_t layers_ = 0, width_ = 0, vocab_ = 0, heads_ = 0, block_size_ = 0, mask_size_ = 0;
};

}  // namespace

CableCheckpoint read_cable_checkpoint(const TorchFile& file, const CheckpointHints& hints, const std::string& where) {
  return Reading(file, hints, where).result();
}

}  // namespace longhaul
