// The tensors of a file that torch.save() wrote: a state dict, by itself or as the entry "model" or "state_dict" of a
// checkpoint. Read without LibTorch (whose readers refuse an OrderedDict) and without running anything the file says.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "io/safetensors.h"

namespace longhaul {

class TorchFile {
 public:
  // The zip format (torch 1.6 and later) and the one before it. Error "<path>: ..." for a damaged file, a view outside its
  // storage, a value that is no tensor, or a pickle that asks for more than tensors (pickle.h).
  static TorchFile open(const std::string& path);
  static TorchFile parse(std::span<const std::byte> bytes, const std::string& where);  // `bytes` outlive the result
  TorchFile(TorchFile&&) = default;  // no copies: tensors may lie in what it holds
  TorchFile& operator=(TorchFile&&) = default;

  const std::map<std::string, TensorView>& tensors() const { return tensors_; }  // row-major
  const std::vector<std::string>& names() const { return names_; }               // in the file's order
  const std::shared_ptr<const MappedFile>& file() const { return file_; }        // null after parse()

 private:
  friend class TorchReader;
  TorchFile() = default;
  std::shared_ptr<const MappedFile> file_;
  std::map<std::string, TensorView> tensors_;
  std::vector<std::string> names_;
  std::deque<std::vector<std::byte>> copies_;  // of tensors that do not lie row by row in their storage
};

// A state dict (an OrderedDict) that torch.load(path, weights_only=True) reads. Tensors with the same bytes in memory share a
// storage, as tied parameters do. Atomic; the same bytes every time.
void write_torch_file(const std::string& path, const std::vector<NamedTensor>& tensors);

}  // namespace longhaul
