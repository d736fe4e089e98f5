#include "engine/scheduler.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/strings.h"

namespace longhaul {

namespace {

// Pages that nobody else may count on while it lives.
class Reservation {
 public:
  Reservation(std::shared_ptr<int64_t> total, int64_t pages) : total_(std::move(total)), pages_(pages) {
    *total_ += pages_;
  }
  ~Reservation() { *total_ -= pages_; }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;

 private:
  std::shared_ptr<int64_t> total_;
  int64_t pages_;
};

}  // namespace

// One text on its way: the tokens that are known, and how many of them its session has read.
class Scheduler::Text {
 public:
  virtual ~Text() = default;
  int64_t unread() const { return static_cast<int64_t>(tokens.size()) - read; }
  bool is_prompt() const { return read < prompt; }
  Engine::Piece next(int64_t count) {
    Engine::Piece piece{&*session, std::span(tokens).subspan(static_cast<size_t>(read), static_cast<size_t>(count))};
    piece.total = is_prompt() ? planned : 0;
    ask(piece);
    return piece;
  }
  void advance(int64_t count, const Engine::Outcome& outcome) {
    read += count;
    take(outcome);
  }

  std::vector<int64_t> tokens;
  int64_t context = 0;  // tokens; all but the last may be shared
  int64_t prompt = 0;   // tokens known from the beginning
  int64_t longest = 0;  // tokens that its session holds in the end
  int64_t planned = 0;  // what the model is told of the text's length
  int64_t read = 0;
  std::shared_ptr<Group> group;  // whose pages its session shares; null: none
  std::unique_ptr<Reservation> reservation;
  std::optional<Session> session;

 private:
  virtual void ask(Engine::Piece& piece) const = 0;
  virtual void take(const Engine::Outcome& outcome) = 0;
};

class Scheduler::ScoreText : public Text {
 public:
  explicit ScoreText(ScoreTokens request) : done_(std::move(request.done)) {
    const std::vector<int64_t>& continuation = request.continuation;
    check(!request.context.empty() && !continuation.empty(), "score: wanted a context and a continuation of at least ",
          "one token, got ", request.context.size(), " and ", continuation.size());
    context = static_cast<int64_t>(request.context.size());
    tokens = std::move(request.context);
    targets_.assign(tokens.size() - 1, -100);
    targets_.insert(targets_.end(), continuation.begin(), continuation.end());
    tokens.insert(tokens.end(), continuation.begin(), continuation.end() - 1);
    prompt = longest = static_cast<int64_t>(tokens.size());
  }

 private:
  void ask(Engine::Piece& piece) const override {
    piece.wants_logits = false;
    const auto count = static_cast<int64_t>(piece.tokens.size());
    if (read + count >= context)
      piece.targets = std::span(targets_).subspan(static_cast<size_t>(read), piece.tokens.size());
  }
  void take(const Engine::Outcome& outcome) override {
    if (outcome.scores.rank.defined()) {
      const int64_t rows = outcome.scores.rank.size(0), before = std::max<int64_t>(0, context - 1 - (read - rows));
      log_prob_.push_back(outcome.scores.log_prob.narrow(0, before, rows - before));
      rank_.push_back(outcome.scores.rank.narrow(0, before, rows - before));
    }
    if (unread() == 0) done_({at::cat(log_prob_), at::cat(rank_)});
  }

  std::vector<int64_t> targets_;  // [tokens]
  std::vector<Tensor> log_prob_, rank_;
  std::function<void(const TokenScores&)> done_;
};

class Scheduler::ContinueText : public Text {
 public:
  explicit ContinueText(ContinueTokens request)
      : left_(request.max_tokens),
        vocab_(request.vocab),
        sampler_(request.sampler, request.seed, request.index),
        on_token_(std::move(request.on_token)),
        on_error_(std::move(request.on_error)) {
    check(!request.context.empty() && left_ >= 1, "continue: wanted a context and at least one token behind it, got ",
          request.context.size(), " and ", left_);
    tokens = std::move(request.context);
    context = prompt = static_cast<int64_t>(tokens.size());
    longest = context + left_ - 1;
    for (int64_t token : tokens) sampler_.see(token);
  }

 private:
  void ask(Engine::Piece& piece) const override {
    piece.wants_logits = static_cast<int64_t>(piece.tokens.size()) == unread();
  }
  void take(const Engine::Outcome& outcome) override {
    if (!outcome.logits.defined()) return;
    const int64_t all = outcome.logits.size(0);
    check(vocab_ <= all, "continue: the model knows ", all, " ids, asked for ", vocab_);
    const std::optional<int64_t> token = draw(outcome.logits.narrow(0, 0, vocab_ > 0 ? vocab_ : all));
    if (token && on_token_(*token) && --left_ > 0) tokens.push_back(*token);
  }
  std::optional<int64_t> draw(const Tensor& logits) {
    try {
      return sampler_.next(logits);
    } catch (const Error& error) {
      if (!on_error_) throw;
      on_error_(error);
      return std::nullopt;
    }
  }

  int64_t left_, vocab_;
  Sampler sampler_;
  std::function<bool(int64_t)> on_token_;
  std::function<void(const Error&)> on_error_;
};

// Texts that wait, with one context.
struct Scheduler::Group {
  std::vector<int64_t> shared;  // all of the context but its last token: whoever reads that one has a row to ask
  std::deque<std::unique_ptr<Text>> waiting;
  bool is_open = false;
  std::optional<Session> session;  // of what is shared; none: each text reads it alone
  std::unique_ptr<Reservation> reservation;
  std::unique_ptr<Reservation> first;  // room for one of its texts, until one has entered
  int64_t read() const { return session ? session->length() : 0; }
  bool is_reading() const { return session && read() < static_cast<int64_t>(shared.size()); }
};

Scheduler::Scheduler(Engine& engine, const SchedulerOptions& options)
    : engine_(engine), options_(options), pages_(engine.pool().free_pages()), reserved_(std::make_shared<int64_t>(0)) {
  check(options.texts >= 1 && options.chunk >= 1, "scheduler: wanted at least one text and chunks of one token, got ",
        options.texts, " and ", options.chunk);
  // Where the cuts of a text matter they are its own: nobody takes a part of its chunk.
  if (!engine.model().encoding().traits().chunk_exact) options_.texts = 1;
}

Scheduler::~Scheduler() = default;

void Scheduler::add(ScoreTokens request) { queue(std::make_unique<ScoreText>(std::move(request))); }
void Scheduler::add(ContinueTokens request) { queue(std::make_unique<ContinueText>(std::move(request))); }

void Scheduler::queue(std::unique_ptr<Text> text) {
  const ModelInfo& info = engine_.model().info();
  const int64_t longest = info.traits.longest;
  check(longest == 0 || text->longest <= longest, "encoding '", info.position, "' ends at ", with_commas(longest),
        " tokens, asked for ", with_commas(text->longest));
  check(options_.longest == 0 || text->longest <= options_.longest, "a text of ", with_commas(text->longest),
        " tokens with what may continue it, the context has ", with_commas(options_.longest));
  check(Engine::pages_for(text->longest) <= pages_, "engine: a text of ", with_commas(text->longest),
        " tokens, there is room for ", with_commas(pages_ * kPageRows));
  for (int64_t token : text->tokens)
    check(token >= 0 && token < info.vocab, "engine: token ids must be in [0, ", info.vocab, "), got ", token);
  text->planned = engine_.model().encoding().plans_request() ? text->longest : text->prompt;
  Group* group = nullptr;
  std::vector<int64_t> shared;
  if (shares(*text)) {
    shared.assign(text->tokens.begin(), text->tokens.begin() + text->context - 1);
    const auto known = joinable_.find(shared);
    if (known != joinable_.end()) group = known->second;
  }
  if (group == nullptr) {
    groups_.push_back(std::make_shared<Group>());
    group = groups_.back().get();
    if (!shared.empty()) joinable_[shared] = group;
    group->shared = std::move(shared);
  }
  group->waiting.push_back(std::move(text));
}

bool Scheduler::shares(const Text& text) const {
  const Encoding& encoding = engine_.model().encoding();
  const bool moves = encoding.moves_with_length() || encoding.plans_request() || encoding.begins_anew(1, text.longest);
  // It must fit beside the group's context: a page that this fills in part is there twice then.
  const int64_t shared = text.context - 1;
  const bool fits = Engine::pages_for(shared) + Engine::pages_for(text.longest) - shared / kPageRows <= pages_;
  return shared > 0 && fits && !moves && encoding.traits().chunk_exact && !encoding.traits().by_length;
}

void Scheduler::close_to_others(const Group& group) {
  const auto known = joinable_.find(group.shared);
  if (known != joinable_.end() && known->second == &group) joinable_.erase(known);
}

int64_t Scheduler::free_pages() const { return pages_ - *reserved_; }

bool Scheduler::open(Group& group) {
  const auto shared = static_cast<int64_t>(group.shared.size());
  const int64_t pages = Engine::pages_for(shared);
  int64_t most = 0;  // that one of its texts needs beside them
  for (const auto& text : group.waiting) most = std::max(most, Engine::pages_for(text->longest) - shared / kPageRows);
  if (group.waiting.size() > 1) {  // only of texts that fit beside it
    if (pages + most > free_pages()) return false;
    group.reservation = std::make_unique<Reservation>(reserved_, pages);
    group.first = std::make_unique<Reservation>(reserved_, most);
    group.session.emplace(engine_.session());
  } else {
    close_to_others(group);
  }
  return group.is_open = true;
}

bool Scheduler::enter(Group& group) {
  group.first.reset();
  Text& text = *group.waiting.front();
  const int64_t shared = group.session ? static_cast<int64_t>(group.shared.size()) : 0;
  const int64_t pages = Engine::pages_for(text.longest) - shared / kPageRows;
  if (pages > free_pages()) return false;
  text.reservation = std::make_unique<Reservation>(reserved_, pages);
  text.session.emplace(group.session ? group.session->fork() : engine_.session());
  text.read = shared;
  running_.push_back(std::move(group.waiting.front()));
  group.waiting.pop_front();
  return true;
}

// In the order of the queue: nobody overtakes a text that waits for room.
void Scheduler::admit() {
  int64_t reading = 0;
  for (const auto& group : groups_) reading += group->is_reading();
  auto is_full = [&] { return static_cast<int64_t>(running_.size()) + reading >= options_.texts; };
  for (size_t g = 0; g < groups_.size() && !is_full();) {
    const std::shared_ptr<Group> group = groups_[g];
    if (!group->is_open) {
      if (!open(*group)) return;
      reading += group->is_reading();
    }
    while (!group->waiting.empty() && !group->is_reading() && !is_full()) {
      if (!enter(*group)) return;
      if (group->session) running_.back()->group = group;
    }
    if (!group->waiting.empty()) {
      ++g;
      continue;
    }
    close_to_others(*group);
    groups_.erase(groups_.begin() + static_cast<int64_t>(g));
  }
}

// Contexts that were read for texts which do not fit beside them. The first group keeps its own, beside which each of its texts fits.
void Scheduler::give_back_contexts() {
  for (size_t g = 1; g < groups_.size(); ++g) {
    groups_[g]->session.reset();
    groups_[g]->reservation.reset();
    groups_[g]->first.reset();
    groups_[g]->is_open = false;
  }
}

// The pieces of one pass, and whose they are.
class Scheduler::Pass {
 public:
  explicit Pass(Scheduler& scheduler) : budget_(scheduler.options_.chunk) {
    for (const auto& text : scheduler.running_) {
      const int64_t count = text->is_prompt() ? take(text->unread()) : text->unread();
      if (count > 0) texts_.push_back(text.get()), pieces_.push_back(text->next(count));
    }
    for (const auto& group : scheduler.groups_) {
      const int64_t count = group->is_reading() ? take(static_cast<int64_t>(group->shared.size()) - group->read()) : 0;
      if (count == 0) continue;
      const auto begin = static_cast<size_t>(group->read());
      pieces_.push_back({&*group->session, std::span(group->shared).subspan(begin, static_cast<size_t>(count)),
                         static_cast<int64_t>(group->shared.size()), false});
    }
  }
  // Tokens that were read.
  int64_t run(Engine& engine) {
    const std::vector<Engine::Outcome> outcomes = engine.advance(pieces_);
    int64_t tokens = 0;
    for (size_t i = 0; i < pieces_.size(); ++i) {
      const auto count = static_cast<int64_t>(pieces_[i].tokens.size());
      tokens += count;
      if (i < texts_.size()) texts_[i]->advance(count, outcomes[i]);
    }
    return tokens;
  }
  bool is_empty() const { return pieces_.empty(); }

 private:
  int64_t take(int64_t tokens) {
    const int64_t taken = std::min(tokens, budget_);
    budget_ -= taken;
    return taken;
  }

  int64_t budget_;            // of tokens of prompts
  std::vector<Text*> texts_;  // of the first pieces
  std::vector<Engine::Piece> pieces_;
};

bool Scheduler::step() {
  admit();
  if (running_.empty() && !groups_.empty() && !groups_.front()->is_reading()) {
    give_back_contexts();
    admit();
  }
  Pass pass(*this);
  if (pass.is_empty()) {
    check(groups_.empty(), "scheduler: ", groups_.size(), " contexts wait for room that nobody gives back");
    return false;
  }
  tokens_read_ += pass.run(engine_);
  std::erase_if(running_, [](const auto& text) { return text->unread() == 0; });
  return true;
}

}  // namespace longhaul
