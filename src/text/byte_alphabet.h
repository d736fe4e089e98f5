// GPT-2's spelling of bytes as printable characters, in which vocabularies are written: ' ' is U+0120, '\n' is U+010A.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace longhaul {

std::string spelling_of(unsigned char byte);
// The bytes that a token's spelling stands for; nothing when it holds a character that stands for none.
std::optional<std::string> bytes_of_spelling(std::string_view token);

}  // namespace longhaul
