/* Until lib/guest is there. */
#include <errno.h>
#include <stddef.h>
#include <virtiso/guest.h>
__attribute__((weak)) viso_guest *viso_guest_new(void) { errno = EOPNOTSUPP; return NULL; }
__attribute__((weak)) viso_guest *viso_guest_ref(viso_guest *g) { return g; }
__attribute__((weak)) viso_guest *viso_guest_unref(viso_guest *g) { return NULL; }
__attribute__((weak)) viso_sandbox *viso_guest_sandbox(viso_guest *g) { return NULL; }
__attribute__((weak)) int viso_guest_set_root(viso_guest *g, viso_root *r) { return -EOPNOTSUPP; }
__attribute__((weak)) int viso_guest_set_memory_max(viso_guest *g, uint64_t b) { return -EOPNOTSUPP; }
