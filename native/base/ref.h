// RefCounted and Ref: intrusive reference counting for immutable objects shared between threads.
//
// One word in the object instead of a control block beside it: a version of a key is one
// allocation.
#ifndef METASTORE_BASE_REF_H_
#define METASTORE_BASE_REF_H_

#include <atomic>
#include <cstdint>
#include <utility>

namespace metastore {

template <typename T>
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void AddRef() const { references_.fetch_add(1, std::memory_order_relaxed); }
  void Release() const {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete static_cast<const T*>(this);
    }
  }

 private:
  mutable std::atomic<uint32_t> references_{0};
};

/// A counted pointer; null by default. T derives from RefCounted<T>.
template <typename T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* pointer) : pointer_(pointer) { Add(); }
  Ref(const Ref& other) : pointer_(other.pointer_) { Add(); }
  Ref(Ref&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(pointer_, other.pointer_);
    return *this;
  }
  ~Ref() {
    if (pointer_ != nullptr) pointer_->Release();
  }

  T* get() const { return pointer_; }
  T* operator->() const { return pointer_; }
  T& operator*() const { return *pointer_; }
  explicit operator bool() const { return pointer_ != nullptr; }
  bool operator==(const Ref& other) const { return pointer_ == other.pointer_; }

 private:
  void Add() const {
    if (pointer_ != nullptr) pointer_->AddRef();
  }
  T* pointer_ = nullptr;
};

}  // namespace metastore

#endif  // METASTORE_BASE_REF_H_
