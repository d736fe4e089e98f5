#include "engine/engine.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/machine.h"
#include "base/strings.h"
#include "nn/forward.h"

namespace longhaul {

Session::Session(Session&& other) noexcept
    : engine_(other.engine_),
      length_(std::exchange(other.length_, 0)),
      planned_(std::exchange(other.planned_, 0)),
      pages_(std::exchange(other.pages_, {})),
      tokens_(std::exchange(other.tokens_, {})) {}

Session& Session::operator=(Session&& other) noexcept {
  if (this == &other) return *this;
  release();
  engine_ = other.engine_;
  length_ = std::exchange(other.length_, 0);
  planned_ = std::exchange(other.planned_, 0);
  pages_ = std::exchange(other.pages_, {});
  tokens_ = std::exchange(other.tokens_, {});
  return *this;
}

Session::~Session() { release(); }

void Session::release() {
  for (int64_t page : pages_) engine_->pool_.release(page);
}

Session Session::fork() const {
  Session other(engine_);
  other.length_ = length_;
  other.planned_ = planned_;
  other.tokens_ = tokens_;
  other.pages_.assign(pages_.begin(), pages_.begin() + Engine::pages_for(length_));
  for (int64_t page : other.pages_) engine_->pool_.share(page);
  return other;
}

Tensor Session::decode(int64_t token) { return prefill({&token, 1}); }

Tensor Session::prefill(std::span<const int64_t> tokens, int64_t total) {
  const c10::InferenceMode on;
  if (total == 0) total = engine_->planned_total(*this, static_cast<int64_t>(tokens.size()));
  const std::vector<Engine::Piece> whole = {{this, tokens, total}};
  engine_->check_pieces(whole);
  engine_->renew(*this, total);
  engine_->reserve(whole);
  Tensor row;
  for (size_t done = 0; done < tokens.size();) {
    const size_t count = std::min(tokens.size() - done, static_cast<size_t>(engine_->options_.chunk));
    const std::vector<Engine::Piece> part = {{this, tokens.subspan(done, count), total}};
    row = engine_->last_rows(engine_->run(part), part);
    done += count;
  }
  return engine_->logits_of(row)[0];
}

int64_t Engine::planned_total(const Session& session, int64_t more) const {
  const int64_t end = session.length_ + more;
  return model_.encoding().plans_request() ? std::max(end, session.planned_) : end;
}

CacheType cache_type(const std::string& kv_cache_dtype, const std::string& dtype) {
  if (kv_cache_dtype.empty()) return CacheType::same;
  check(dtype != "f64", "--kv-cache-dtype ", kv_cache_dtype, ": --dtype f64 keeps keys and values as f64 only");
  return kv_cache_dtype == "bf16" ? CacheType::bf16 : kv_cache_dtype == "int8" ? CacheType::int8 : CacheType::same;
}

int64_t Engine::checked_pages(const Model& model, const EngineOptions& options) {
  const Traits traits = model.encoding().traits();
  check(options.tokens >= 1 && options.chunk >= 1, "engine: wanted room and chunks of at least one token, got ",
        options.tokens, " and ", options.chunk);
  check(traits.grows(), "encoding '", model.info().position, "' cannot go on from kept keys and values: ", traits.note);
  check(options.cache == CacheType::same || model.parameters().dtype() == at::kFloat,
        "engine: a cache of bf16 or int8 is for models of f32");
  const double bytes =
      static_cast<double>(pages_for(options.tokens)) * static_cast<double>(page_bytes(model, options.cache));
  const auto available = static_cast<double>(available_memory());
  check(bytes <= available, "a cache of ", with_commas(options.tokens), " tokens takes ", human_bytes(bytes),
        ", this machine has ", human_bytes(available), " left");
  return pages_for(options.tokens);
}

Engine::Engine(const Model& model, const EngineOptions& options)
    : model_(model), options_(options), pool_(checked_pages(model, options)) {
  const ModelInfo& info = model.info();
  const Encoding& encoding = model.encoding();
  const auto element = at::TensorOptions(model.parameters().dtype());
  const Tensor positions = at::empty({pool_.pages() * kPageRows}, at::kDouble);
  for (int64_t i = 0; i < info.layers; ++i) {
    caches_.push_back(LayerCache::pool(positions, info.kv_heads, info.head_dim, encoding.key_channel() ? info.heads : 0,
                                       element, options.cache));
  }
}

int64_t Engine::page_bytes(const Model& model, CacheType cache) {
  const auto element = static_cast<int64_t>(at::elementSize(model.parameters().dtype()));
  const int64_t state = model.info().state_bytes_per_token(element_bytes(cache, element), scale_bytes(cache));
  return kPageRows * (state + static_cast<int64_t>(sizeof(double)));
}

Tensor Engine::decode(const std::vector<Session*>& sessions, const std::vector<int64_t>& tokens) {
  check(!sessions.empty() && sessions.size() == tokens.size(), "engine: wanted a token for each of some sessions, got ",
        sessions.size(), " sessions and ", tokens.size(), " tokens");
  const c10::InferenceMode on;
  std::vector<Piece> pieces;
  for (size_t b = 0; b < sessions.size(); ++b) {
    pieces.push_back({sessions[b], {&tokens[b], 1}, planned_total(*sessions[b], 1)});
  }
  check_pieces(pieces);
  for (const Piece& piece : pieces) renew(*piece.session, piece.total);
  reserve(pieces);
  return logits_of(last_rows(run(pieces), pieces));
}

std::vector<Engine::Outcome> Engine::advance(std::vector<Piece> pieces) {
  check(!pieces.empty(), "engine: wanted at least one session, got none");
  const c10::InferenceMode on;
  for (Piece& piece : pieces) {
    if (piece.total == 0) piece.total = planned_total(*piece.session, static_cast<int64_t>(piece.tokens.size()));
    check(piece.targets.empty() || piece.targets.size() == piece.tokens.size(), "engine: wanted a target for each of ",
          piece.tokens.size(), " tokens, got ", piece.targets.size());
  }
  check_pieces(pieces);
  for (const Piece& piece : pieces) renew(*piece.session, piece.total);
  reserve(pieces);
  const Tensor x = run(pieces);
  std::vector<int64_t> last, scored, targets;  // rows of x
  int64_t begin = 0;
  for (const Piece& piece : pieces) {
    for (size_t i = 0; i < piece.targets.size(); ++i) scored.push_back(begin + static_cast<int64_t>(i));
    targets.insert(targets.end(), piece.targets.begin(), piece.targets.end());
    begin += static_cast<int64_t>(piece.tokens.size());
    if (piece.wants_logits) last.push_back(begin - 1);
  }
  auto integers = [](const std::vector<int64_t>& values) { return at::tensor(values, at::TensorOptions(at::kLong)); };
  Tensor logits;  // [n, V]
  TokenScores scores;
  if (!last.empty()) logits = logits_of(at::index_select(x, 0, integers(last)));
  if (!scored.empty()) {
    const Head head = model_.head();
    scores = score_targets(at::index_select(x, 0, integers(scored)), head.norm, head.logits, integers(targets));
  }
  std::vector<Outcome> outcomes(pieces.size());
  int64_t rows = 0, targets_done = 0;
  for (size_t b = 0; b < pieces.size(); ++b) {
    if (pieces[b].wants_logits) outcomes[b].logits = logits[rows++];
    if (pieces[b].targets.empty()) continue;
    const auto count = static_cast<int64_t>(pieces[b].targets.size());
    outcomes[b].scores = {scores.log_prob.narrow(0, targets_done, count), scores.rank.narrow(0, targets_done, count)};
    targets_done += count;
  }
  return outcomes;
}

void Engine::check_pieces(const std::vector<Piece>& pieces) const {
  const ModelInfo& info = model_.info();
  std::set<const Session*> seen;
  for (const Piece& piece : pieces) {
    const int64_t end = piece.session->length_ + static_cast<int64_t>(piece.tokens.size());
    check(piece.session->engine_ == this, "engine: a session of another engine");
    check(seen.insert(piece.session).second, "engine: a session is named twice in one call");
    check(!piece.tokens.empty() && end <= piece.total, "engine: wanted at least one token and no more than ",
          piece.total, " in all, got ", piece.tokens.size(), " behind ", piece.session->length_);
    check(info.traits.longest == 0 || piece.total <= info.traits.longest, "encoding '", info.position, "' ends at ",
          info.traits.longest, " tokens, asked for ", piece.total);
    for (int64_t token : piece.tokens) {
      check(token >= 0 && token < info.vocab, "engine: token ids must be in [0, ", info.vocab, "), got ", token);
    }
  }
}

void Engine::reserve(const std::vector<Piece>& pieces) {
  int64_t needed = 0;
  std::map<int64_t, int64_t> sharers;  // of the partly filled pages: the last session on one keeps it, the others copy
  for (const Piece& piece : pieces) {
    const Session& session = *piece.session;
    const int64_t end = session.length_ + static_cast<int64_t>(piece.tokens.size());
    needed += std::max<int64_t>(0, pages_for(end) - static_cast<int64_t>(session.pages_.size()));
    if (session.length_ % kPageRows == 0) continue;
    const int64_t page = session.pages_[static_cast<size_t>(session.length_ / kPageRows)];
    int64_t& left = sharers.try_emplace(page, pool_.references(page)).first->second;
    if (left > 1) ++needed, --left;
  }
  check(needed <= pool_.free_pages(), "engine: out of room: ", with_commas(needed * kPageRows), " tokens (",
        human_bytes(static_cast<double>(needed * page_bytes(model_, options_.cache))), ") are needed, ",
        with_commas(pool_.free_pages() * kPageRows), " of ", with_commas(pool_.pages() * kPageRows), " are free");
  for (const Piece& piece : pieces) {
    Session& session = *piece.session;
    const int64_t end = session.length_ + static_cast<int64_t>(piece.tokens.size());
    if (session.length_ % kPageRows != 0) {
      int64_t& page = session.pages_[static_cast<size_t>(session.length_ / kPageRows)];
      if (pool_.references(page) > 1) page = own_copy(page);
    }
    while (static_cast<int64_t>(session.pages_.size()) < pages_for(end)) session.pages_.push_back(pool_.take());
  }
}

void Engine::renew(Session& session, int64_t total) {
  if (session.length_ == 0 || !model_.encoding().begins_anew(session.planned_, total)) return;
  int64_t room = pool_.free_pages();
  for (int64_t page : session.pages_) room += pool_.references(page) == 1;
  check(pages_for(session.length_) <= room, "engine: out of room: a text of ", with_commas(session.length_),
        " tokens has to be read anew (", model_.info().position, "), there is room for ",
        with_commas(room * kPageRows));
  const std::vector<int64_t> tokens = std::exchange(session.tokens_, {});
  session.release();
  session.pages_.clear();
  session.length_ = 0;
  session.prefill(tokens, total);
}

int64_t Engine::own_copy(int64_t page) {
  const int64_t copy = pool_.take(), from = page * kPageRows, to = copy * kPageRows;
  const Tensor& positions = caches_.front().positions;
  positions.narrow(0, to, kPageRows).copy_(positions.narrow(0, from, kPageRows));
  for (const LayerCache& cache : caches_) cache.copy_page(page, copy);
  pool_.release(page);
  return copy;
}

Tensor Engine::run(const std::vector<Piece>& pieces) {
  std::vector<int64_t> tokens, past, lengths, totals;
  auto pages = std::make_shared<PageTable>();
  for (const Piece& piece : pieces) {
    tokens.insert(tokens.end(), piece.tokens.begin(), piece.tokens.end());
    past.push_back(piece.session->length_);
    lengths.push_back(static_cast<int64_t>(piece.tokens.size()));
    totals.push_back(piece.total);
    const auto& own = piece.session->pages_;
    pages->emplace_back(own.begin(), own.begin() + pages_for(past.back() + lengths.back()));
  }
  Sequences seq = Sequences::next(past, lengths, totals);
  seq.pages = pages;
  ForwardOptions options;
  options.caches = &caches_;
  options.skip_eps = options_.skip_eps;
  const Tensor x = forward(model_, at::tensor(tokens, at::TensorOptions(at::kLong)), seq, options);
  for (size_t b = 0; b < pieces.size(); ++b) {
    Session& session = *pieces[b].session;
    session.length_ += lengths[b];
    session.planned_ = pieces[b].total;
    session.tokens_.insert(session.tokens_.end(), pieces[b].tokens.begin(), pieces[b].tokens.end());
  }
  return x;
}

Tensor Engine::last_rows(const Tensor& x, const std::vector<Piece>& pieces) const {
  std::vector<int64_t> last;
  int64_t end = 0;
  for (const Piece& piece : pieces) last.push_back((end += static_cast<int64_t>(piece.tokens.size())) - 1);
  return at::index_select(x, 0, at::tensor(last, at::TensorOptions(at::kLong)));
}

Tensor Engine::logits_of(const Tensor& rows) const {
  const Head head = model_.head();
  return logits(normalize(rows, head.norm), head.logits);
}

}  // namespace longhaul
