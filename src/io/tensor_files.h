// The tensors of a model folder in the Hugging Face layout as one table, whatever files hold them. Free of LibTorch.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "io/torch_file.h"

namespace longhaul {

class TensorFiles {
 public:
  // The first there is of model.safetensors, model.safetensors.index.json, pytorch_model.bin and
  // pytorch_model.bin.index.json: other files may hold other models or other layouts (consolidated.safetensors). Shards are
  // read as the index says. Error for a folder without any of them, a shard that is not there or lacks a tensor.
  static TensorFiles open(const std::string& folder);
  // The files that open() reads, the index among them; Error as above.
  static std::vector<std::string> paths(const std::string& folder);

  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  const std::string& where() const { return where_; }  // path of the one file, or of the index
  // The file's own name of a tensor: the name itself or, as some files are without their model's prefix ("model.",
  // "transformer."), the name without its first component; "" when there is neither.
  std::string find(const std::string& name) const;
  bool has(const std::string& name) const { return !find(name).empty(); }
  // Only those whose names begin with one of these stay, under the rest of the name, and those that are `whole` names.
  void keep_part(const std::vector<std::string>& prefixes, const std::string& whole);
  // Whoever has copied a tensor is done with its pages of the mapped file.
  void forget(const TensorView& tensor) const;

 private:
  void add(const std::string& path, const std::vector<std::string>* names);

  std::string where_;
  std::vector<SafetensorsFile> safetensors_;
  std::deque<TorchFile> torch_;  // each stays where it is: tensors may lie in it
  std::map<std::string, TensorView> tensors_;
};

}  // namespace longhaul
