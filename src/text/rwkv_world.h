// The vocabulary of the RWKV World models (rwkv_vocab_v20230424.txt): lines `id 'text' bytes`, where text is a Python
// literal ('...', "..." or b'...') and bytes its length. Text becomes the longest token that it begins with, and so on.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "text/tokenizer.h"

namespace longhaul {

// `where` begins the messages. Error, naming the line, when it is broken.
std::unique_ptr<Tokenizer> parse_rwkv_world(std::string_view lines, const std::string& where, const std::string& spec);

}  // namespace longhaul
