// The tokenizer of a run, kept with its weights so that text can go in and come out when the data is gone.
#pragma once
#include <memory>
#include <string>

#include "text/tokenizer.h"

namespace longhaul {

// Copies the files that a tokenizer's spec names (tokenizer_files()) into a run folder, as Hugging Face does. A
// tokenizer with a name (bytes) has none: train.json has its name. "": nobody named one, nothing is done.
void keep_tokenizer(const std::string& spec, const std::string& folder);

// The files in the run folder, else what train.json names. Error when the folder says neither, or holds another
// tokenizer than the one that its data was made with.
std::unique_ptr<Tokenizer> run_tokenizer(const std::string& folder);

// Error when the run in `folder` was trained on ids of another tokenizer than those of `data`, which has
// `tokenizer_hash`. A run or data that does not say its tokenizer ("") passes.
void check_run_tokenizer(const std::string& folder, const std::string& data, const std::string& tokenizer_hash);

}  // namespace longhaul
