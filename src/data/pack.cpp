#include "data/pack.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/progress.h"
#include "data/output_folder.h"
#include "data/shards.h"
#include "data/split_writer.h"
#include "text/tokenizer.h"

namespace longhaul {

namespace {

struct EncodedDocument {
  const char* split;
  std::vector<int64_t> ids;
  int64_t source_bytes;
};

struct EncodedJob {
  std::vector<EncodedDocument> documents;
  int64_t too_small = 0, blank_lines = 0;
};

struct SourceCounts {
  int64_t files = 0, documents = 0, bytes = 0, tokens = 0;
};

// What one thread parses and encodes at a time.
struct Job {
  const SourceFile* file = nullptr;
  Piece piece;
};

// The pieces of a plan's files, in reading order.
class JobSource {
 public:
  JobSource(const std::vector<SourceFile>& files, std::string field) : files_(files), field_(std::move(field)) {}

  bool next(Job& job) {
    while (!reader_ || !reader_->next(job.piece)) {
      if (index_ == files_.size()) return false;
      const SourceFile& file = files_[index_++];
      reader_ = file.format->open(file, field_);
    }
    job.file = &files_[index_ - 1];
    return true;
  }

 private:
  const std::vector<SourceFile>& files_;
  std::string field_;
  size_t index_ = 0;
  std::unique_ptr<DocumentReader> reader_;  // of the file before index_
};

class Packer {
 public:
  Packer(const PackOptions& options, const PackPlan& plan, std::string folder)
      : options_(options),
        plan_(plan),
        folder_(std::move(folder)),
        tokenizer_(make_tokenizer(options.tokenizer)),
        jobs_(plan.files, options.field),
        counts_(options.inputs.size()),
        progress_("packing", plan.bytes / 1000, "kB"),
        train_(folder_, "train", tokenizer_->vocab_size(), options.shard_tokens),
        val_(folder_, "val", tokenizer_->vocab_size(), options.shard_tokens) {}

  void run() {
    for (const SourceFile& file : plan_.files) ++counts_[file.input].files;
    std::vector<std::thread> threads;
    for (int i = 0; i < options_.threads; ++i) threads.emplace_back([this] { work(); });
    for (std::thread& thread : threads) thread.join();
    if (error_) std::rethrow_exception(error_);
    progress_.finish();
    check(train_.documents() + val_.documents() > 0, "data pack: no document left: ", too_small_, " too small, ",
          blank_lines_, " blank lines");
    if (train_.documents() == 0) log_warning("data pack: every document fell into val; train is empty");
    if (options_.val_every > 0 && val_.documents() == 0) log_warning("data pack: no document fell into val");
    write_manifest();
  }

 private:
  // Jobs are taken in order and written in order; only the encoding in between runs at the same time. A thread holds one
  // job at most, so memory is bounded, and the first failing job in reading order is the one reported.
  void work() {
    for (;;) {
      Job job;
      EncodedJob encoded;
      std::exception_ptr error;
      int64_t ticket;
      {
        std::lock_guard lock(mutex_);
        if (error_) return;
        try {
          if (!jobs_.next(job)) return;
        } catch (...) {
          error = std::current_exception();
        }
        ticket = next_ticket_++;
      }
      try {
        if (!error) encoded = encode(job);
      } catch (...) {
        error = std::current_exception();
      }
      std::unique_lock lock(mutex_);
      turn_.wait(lock, [&] { return error_ || written_ == ticket; });
      if (error_) return;
      try {
        if (error) std::rethrow_exception(error);
        if (options_.before_each) options_.before_each();
        write(job, encoded);
      } catch (...) {
        error_ = std::current_exception();
      }
      ++written_;
      turn_.notify_all();
    }
  }

  EncodedJob encode(const Job& job) const {
    EncodedJob out;
    out.blank_lines =
        job.piece.parse([&](const std::string& name, const std::string& text) { add_document(name, text, out); });
    return out;
  }

  void add_document(const std::string& name, const std::string& text, EncodedJob& out) const {
    int64_t bytes = static_cast<int64_t>(text.size());
    if (bytes == 0 || bytes < options_.min_bytes) {
      ++out.too_small;
      return;
    }
    EncodedDocument document{split_of(name, options_.val_every), {}, bytes};
    if (tokenizer_->end_of_text() >= 0) document.ids.push_back(tokenizer_->end_of_text());
    tokenizer_->encode(text, document.ids);
    out.documents.push_back(std::move(document));
  }

  void write(const Job& job, const EncodedJob& encoded) {
    SourceCounts& counts = counts_[job.file->input];
    for (const EncodedDocument& document : encoded.documents) {
      SplitWriter& split = document.split == val_.name() ? val_ : train_;
      split.add_document(document.ids, document.source_bytes);
      ++counts.documents;
      counts.bytes += document.source_bytes;
      counts.tokens += static_cast<int64_t>(document.ids.size());
    }
    too_small_ += encoded.too_small;
    blank_lines_ += encoded.blank_lines;
    int64_t before = bytes_read_ / 1000;
    bytes_read_ += job.piece.bytes;
    progress_.add(bytes_read_ / 1000 - before);
  }

  void write_manifest() {
    Hasher hash;
    hash.add(tokenizer_->hash());
    train_.finish(hash);
    val_.finish(hash);
    Json sources = Json::array();
    for (size_t i = 0; i < counts_.size(); ++i) {
      sources.push_back({{"input", options_.inputs[i]},
                         {"files", counts_[i].files},
                         {"documents", counts_[i].documents},
                         {"bytes", counts_[i].bytes},
                         {"tokens", counts_[i].tokens}});
    }
    Json manifest;
    manifest["format"] = kShardFormat;
    manifest["tokenizer"] = tokenizer_->spec();
    manifest["tokenizer_hash"] = tokenizer_->hash();
    manifest["vocab_size"] = tokenizer_->vocab_size();
    manifest["vocab_size_without_added"] = tokenizer_->vocab_size_without_added();
    manifest["end_of_text"] = tokenizer_->end_of_text();
    manifest["dtype"] = id_width(tokenizer_->vocab_size()) == 2 ? "uint16" : "uint32";
    manifest["hash"] = hash.hex();
    manifest["splits"] = {{"train", train_.manifest_entry()}, {"val", val_.manifest_entry()}};
    manifest["sources"] = sources;
    manifest["skipped"] = plan_.left_out();
    manifest["skipped"]["too_small"] = plan_.too_small + too_small_;
    manifest["skipped"]["blank_lines"] = blank_lines_;
    manifest["settings"] = {
        {"field", options_.field},         {"extensions", options_.extensions},     {"exclude", options_.exclude},
        {"min_bytes", options_.min_bytes}, {"shard_tokens", options_.shard_tokens}, {"val_every", options_.val_every}};
    write_json(path_join(folder_, "manifest.json"), manifest);
  }

  const PackOptions& options_;
  const PackPlan& plan_;
  std::string folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::mutex mutex_;  // of everything below
  std::condition_variable turn_;
  JobSource jobs_;
  int64_t next_ticket_ = 0, written_ = 0;
  std::exception_ptr error_;
  std::vector<SourceCounts> counts_;  // by input
  int64_t too_small_ = 0, blank_lines_ = 0, bytes_read_ = 0;
  Progress progress_;
  SplitWriter train_, val_;
};

}  // namespace

void pack(const PackOptions& options) {
  check_pack_options(options);
  PackPlan plan = plan_pack(options);
  OutputFolder folder(options.output);
  Packer(options, plan, folder.path()).run();
  folder.publish();
}

}  // namespace longhaul
