// Between a model's parameters and the tensors of checkpoints.
#pragma once
#include <optional>
#include <string>

#include "io/tensor_files.h"
#include "nn/model.h"
#include "ops/linear/weight_type.h"

namespace longhaul {

// Fills every parameter, each tensor converted as it is copied and its file's pages given back: memory stays at that of
// the model. Tensors missing, unknown or misshapen are one Error that lists them all. What a checkpoint may hold beside
// weights (causal masks, tables of frequencies, a head that is tied) is left alone, and logged. With `packed`, each of the
// model's matrices is packed when all of it has been read.
void read_weights(const Model& model, const TensorFiles& files, std::optional<WeightType> packed);
// The same Error, and nothing is read.
void check_weights(const Model& model, const TensorFiles& files);

// model.safetensors, under the checkpoint's names. Atomic. Error for packed weights.
void write_weights(const Model& model, const std::string& path);

}  // namespace longhaul
