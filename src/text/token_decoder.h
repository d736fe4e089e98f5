// What makes text of tokens: the decoder of a tokenizer.json, by the rules of Hugging Face's `tokenizers`, one token at
// a time.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace longhaul {

// One step at work on one text. Tokens go in one by one and come out changed, joined or held back.
class TokenDecoderStep {
 public:
  using Tokens = std::vector<std::string>;
  virtual ~TokenDecoderStep() = default;
  virtual void push(std::string token, Tokens& out) = 0;
  virtual void finish(Tokens& /*out*/) {}  // what was held back
};

// Immutable and thread-safe.
class TokenDecoder {
 public:
  TokenDecoder();  // of a file without one: a space between tokens
  // Error, naming the piece, when it is broken or not supported.
  TokenDecoder(const Json& piece, const std::string& where);

  // One text: what push() and finish() append, joined, is the text of the tokens.
  class Run {
   public:
    explicit Run(const TokenDecoder& decoder);
    void push(std::string token, std::string& text);
    void finish(std::string& text);

   private:
    void pass(size_t from, TokenDecoderStep::Tokens& tokens, std::string& text);
    std::vector<std::unique_ptr<TokenDecoderStep>> steps_;
  };

  bool byte_level() const {
    return byte_level_;
  }  // nothing but bytes, joined: what a token becomes depends on no other
  std::string meaning() const { return meaning_; }

 private:
  std::vector<std::function<std::unique_ptr<TokenDecoderStep>()>> makers_;
  std::string meaning_;
  bool byte_level_ = false;
};

// As the ByteLevel decoder reads a token: a spelling of bytes, or plain text when it cannot be one.
std::string decoded_spelling(std::string_view token);

}  // namespace longhaul
