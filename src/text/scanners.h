// Hand-written equals of the regular expressions that known tokenizers cut text with. Each is several times faster than
// the expression; tests hold the two against each other.
#pragma once
#include <string_view>

namespace longhaul {

// The end of the piece that begins at `at` (at < end). The text must be UTF-8.
using Scanner = const char* (*)(const char* at, const char* end);

// What Hugging Face's ByteLevel cuts with (GPT-2, GPT-NeoX, CodeGen, ...).
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
// Llama-3 (and GPT-4): up to three digits, a line's end stays with the punctuation before it.
inline constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Qwen2: the same, with one digit.
inline constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Tekken (Mistral): words are cut before a capital, and marks are letters.
inline constexpr std::string_view kTekkenPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
    R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// The scanner of one of these, spelled exactly so; nullptr for any other expression. None of them looks back,
// or ever makes a piece in which a ' ' stands behind something that is no space.
Scanner scanner_for(std::string_view pattern);

}  // namespace longhaul
