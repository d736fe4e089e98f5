// What the models of the Hugging Face layout share: a config kept as it was read, weights declared beside the stored tensors they
// come from, an embedding, an encoding, a head. A family is one self-registering file:
//   LH_REGISTER(HubFamilies, "llama", "Llama 1 to 3.2 and kin", [](HubSource& source) { ... });
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/tensor_files.h"
#include "models/models.h"
#include "nn/model.h"
#include "pos/rope_policy.h"

namespace longhaul {

// Where a model comes from.
struct HubSource {
  JsonReader& config;
  const Json& json;                     // what `config` reads
  std::string path;                     // where it is from
  std::vector<std::string> overridden;  // keys that the user has changed: "rope_scaling.factor"
  const TensorFiles& files;
  at::ScalarType dtype;
  ComputeType compute;
  std::string method = "none";  // as LoadOptions
  double held_bytes = 4;
  bool weights = true;
};

class HubModel : public Model {
 public:
  Stream embed(const Tensor& tokens, const Plan& plan) const override;
  Head head() const override { return head_; }
  const Encoding& encoding() const override { return *encoding_; }
  Json config() const override;

 protected:
  // Reads what every config.json may hold and no model needs; the family reads the rest, and finish() checks that it did.
  explicit HubModel(HubSource& source);
  void finish(HubSource& source, const std::string& family);

  // Error where a parameter of this shape, with those so far, is far more than the files hold. add() asks it; whoever makes
  // one elsewhere does.
  void check_size(const std::string& name, const std::vector<int64_t>& shape);
  // Parameters, by the names of the stored tensors that they are. A Linear is weight `name`.weight [out, in] and, with
  // `bias`, `name`.bias [out].
  Tensor add(const std::string& name, const std::vector<int64_t>& shape, bool trainable = true);
  Tensor add_matrix(const std::string& name, const std::vector<int64_t>& shape);  // one of matrices()
  Linear router(const std::string& name, int64_t experts, int64_t in);            // an exact one, without bias
  Linear linear(const std::string& name, int64_t out, int64_t in, bool bias = false);
  Linear conv1d(const std::string& name, int64_t out, int64_t in);  // with bias; stored [in, out] (GPT-2)
  struct Rows {
    std::string name;
    int64_t count;
  };
  // One matrix `own` of several stored ones, rows one behind the other: queries, keys and values; gate and up.
  Linear stack(const std::string& own, const std::vector<Rows>& parts, int64_t in, bool bias = false);
  // Fused queries, keys and values whose stored rows go by key-value head: for each of G, its H / G queries, then its key, then
  // its value, D rows each. With G = H: by head (GPT-NeoX, BLOOM).
  Linear grouped_qkv(const std::string& name, int64_t heads, int64_t kv_heads, int64_t head_dim, int64_t in, bool bias);
  Norm layer_norm(const std::string& name, int64_t size, double eps, bool bias = true);
  Norm rms_norm(const std::string& name, int64_t size, double eps, double offset = 0);
  // `own` [E, ...] of E stored tensors, names[e], of the remaining shape; or of one called as it is, where the file has that.
  // With `parts` > 1, each expert's rows are that many stored tensors: names[e * parts + p].
  Tensor stack_experts(const std::string& own, const std::vector<std::string>& names, const std::vector<int64_t>& shape,
                       int64_t parts = 1);
  // logits = x W^T: W is the embedding when `tied`, unless the files hold a `name`.weight of other values, or when they have
  // none (either is logged).
  void set_head(const Norm& norm, const std::string& name, bool tied, bool bias = false);

  // Rotary positions, whose policy declares the weights that it may have.
  std::unique_ptr<Encoding> rotary(Rope rope, at::ScalarType dtype);

  const ComputeType compute_;
  Tensor embedding_;  // [V, C], a matrix; the family adds it
  std::string embedding_name_;
  double embedding_scale_ = 1;
  std::unique_ptr<Encoding> encoding_;
  Head head_;

 private:
  // As check_size(): `count` parameters, or stored tensors, so far, and `name` is the next.
  void check_count(size_t count, const std::string& name) const;
  void store(StoredTensor stored);  // into stored_

  const TensorFiles* files_;  // null once the model is made
  Json config_;
  const bool weights_;     // as LoadOptions
  bool own_head_ = false;  // although the config ties it
  int64_t trained_as_read_ = 0;
  double elements_ = 0, stored_elements_ = 0;  // of the parameters so far, of all files
};

}  // namespace longhaul
