// Where the Hugging Face libraries keep what they have downloaded. Nothing is downloaded here.
#pragma once
#include <string>

namespace longhaul {

// The folder of a model: `model` itself when it is one, the newest revision in it when it is one of the hub cache
// (models--org--name), else what the local cache holds of the hub's model "org/name" (its branch main, or "org/name@revision").
// The cache is $HF_HUB_CACHE, or $HF_HOME/hub, or ~/.cache/huggingface/hub. Error that says where was looked.
std::string model_folder(const std::string& model);

}  // namespace longhaul
