// Checkpoints of CABLE's authors: which model the tensors of a state dict are (docs/convert.md has the table).
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "io/torch_file.h"

namespace longhaul {

// What the tensors cannot tell, or a user knows better; "" and 0: to be inferred.
struct CheckpointHints {
  std::string position;
  int64_t heads = 0, block_size = 0;
};

struct CableCheckpoint {
  Json config;                          // config.json of a run directory
  std::vector<NamedTensor> tensors;     // under our names; views of the file
  std::vector<std::string> inferences;  // what was concluded, and from what; one line each, to be shown
};

// Understands the first release, the repository's head and the later rewrite: prefixes of torch.compile and DDP, tied
// tensors stored twice, constants stored as buffers. Error, with what is possible, when the tensors fit several encodings
// and no hint chooses, when the trained length cannot be told, when heads cannot, or when a hint contradicts a tensor.
CableCheckpoint read_cable_checkpoint(const TorchFile& file, const CheckpointHints& hints, const std::string& where);

}  // namespace longhaul
