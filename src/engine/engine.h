// Text in, logits out, with keys and values kept. An engine owns the pools of one model: keys and values (and
// positions, and an encoding's key channel) in pages with reference counts. A session is a list of pages and a length,
// so a fork shares everything and copies, when either side goes on, no more than one partly filled page. One thread at
// a time.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/page_pool.h"
#include "nn/model.h"

namespace longhaul {

struct EngineOptions {
  int64_t tokens = 0;   // room of all sessions together, in pages of kPageRows of which each may leave one part empty
  int64_t chunk = 512;  // tokens of a prompt that pass through the layers together; any number gives the same logits
  double skip_eps = 1e-7;             // as AttentionOptions
  CacheType cache = CacheType::same;  // what keys and values are kept in; reduced ones are for models of f32
};

// --kv-cache-dtype (f32, bf16, int8; "": as the model computes) for a model of --dtype.
CacheType cache_type(const std::string& kv_cache_dtype, const std::string& dtype);

class Engine;

// One text. Gives its pages back when it ends; must not outlive its engine.
class Session {
 public:
  Session(Session&& other) noexcept;
  Session& operator=(Session&& other) noexcept;
  ~Session();

  int64_t length() const { return length_; }  // tokens so far
  // Appends tokens (at least one) and returns the logits [V] behind the last one. `total`: tokens of the whole prompt
  // when more of it follows, of the whole request for an encoding that plans it; 0: these are its end, or it was said
  // before. Error, with nothing changed, when there is no room or no such position.
  Tensor prefill(std::span<const int64_t> tokens, int64_t total = 0);
  Tensor decode(int64_t token);  // prefill of one
  Session fork() const;          // the same text; both go on independently

 private:
  friend class Engine;
  explicit Session(Engine* engine) : engine_(engine) {}
  void release();

  Engine* engine_;
  int64_t length_ = 0;
  int64_t planned_ = 0;  // the length that its keys and values were made for
  std::vector<int64_t> pages_, tokens_;
};

class Engine {
 public:
  // The model must outlive the engine. Memory is taken now and touched as pages are used. Error that names the bytes
  // when the machine has not got them; Error for an encoding whose past cannot be kept (Traits::grows).
  Engine(const Model& model, const EngineOptions& options);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  Session session() { return Session(this); }  // an empty text
  // Appends one token to each of several sessions in one pass: [B, V] logits, in their order. A session's logits do not
  // depend on the others: to the bit with packed weights (docs/inference.md), else but for the last bits (1e-6) where a
  // matrix product rounds rows differently together than alone. Error, with nothing changed, for a session twice or of
  // another engine, or when there is no room for all. Whatever an engine returns is an inference tensor: to be read, neither
  // changed in place nor saved for a gradient.
  Tensor decode(const std::vector<Session*>& sessions, const std::vector<int64_t>& tokens);

  // Tokens that one of several sessions takes in a pass, and what is asked of the rows behind them.
  struct Piece {
    Session* session;
    std::span<const int64_t> tokens;     // at least one; all pieces of a pass go through the layers together
    int64_t total = 0;                   // as Session::prefill
    bool wants_logits = true;            // behind the last of them
    std::span<const int64_t> targets{};  // none, or for each of them the token that is scored behind it (-100: none)
  };
  struct Outcome {
    Tensor logits;       // [V] or undefined
    TokenScores scores;  // of the targets, or undefined
  };
  // Prompts, parts of prompts and single tokens of several sessions in one pass, without padding; otherwise as
  // decode().
  std::vector<Outcome> advance(std::vector<Piece> pieces);

  const Model& model() const { return model_; }
  const PagePool& pool() const { return pool_; }
  int64_t chunk() const { return options_.chunk; }
  int64_t bytes() const { return pool_.pages() * page_bytes(model_, options_.cache); }
  int64_t bytes_in_use() const { return (pool_.pages() - pool_.free_pages()) * page_bytes(model_, options_.cache); }
  static int64_t page_bytes(const Model& model, CacheType cache = CacheType::same);  // of one page, in all layers
  static int64_t pages_for(int64_t tokens) { return tokens / kPageRows + (tokens % kPageRows != 0); }

 private:
  friend class Session;
  // Reads a session's tokens again where the encoding's plan for `total` tokens is another one than that of its keys.
  void renew(Session& session, int64_t total);
  // Tokens in all, with `more` behind what the session holds, that its plan is made for.
  int64_t planned_total(const Session& session, int64_t more) const;
  static int64_t checked_pages(const Model& model, const EngineOptions& options);
  void check_pieces(const std::vector<Piece>& pieces) const;
  void reserve(const std::vector<Piece>& pieces);  // pages, none of them shared, for all tokens to come
  int64_t own_copy(int64_t page);                  // of a shared page
  Tensor run(const std::vector<Piece>& pieces);    // [T, C] behind the layers; pages are there
  Tensor last_rows(const Tensor& x, const std::vector<Piece>& pieces) const;  // [T, C] -> [B, C]
  Tensor logits_of(const Tensor& rows) const;                                 // [n, C] -> [n, V]

  const Model& model_;
  EngineOptions options_;
  PagePool pool_;
  std::vector<LayerCache> caches_;  // [L]
};

}  // namespace longhaul
