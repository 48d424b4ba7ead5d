/* SPDX-License-Identifier: MIT */
/**
 * @file root.h
 * A root file system: programs with all that they need, files and data, or an existing directory.
 *
 * A root is a plan until it is built. It is built by viso_root_build() or by the first sandbox that starts with it;
 * then it is frozen. Without viso_root_set_path() it lives in a directory of the library's own, which is removed with
 * the last reference (and when the host program dies, even by SIGKILL). Several sandboxes may share one root.
 *
 * Programs are examined by parsing; nothing of them is executed.
 *
 * Put nothing below /dev, /proc or /tmp: a container has its own there and hides it.
 */
#ifndef VIRTISO_ROOT_H
#define VIRTISO_ROOT_H

#include <stddef.h>
#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/log.h>
#include <virtiso/manifest.h>

VISO_BEGIN_DECLS

/** A root file system; opaque, reference counted. */
typedef struct viso_root viso_root;

/**
 * What viso_root_add_program() adds beside a program's libraries, since programs load or open it while they run. Each
 * provider looks at a program and its libraries and adds its part where they use it; all of them are on unless switched
 * off.
 */
typedef enum viso_provider {
	VISO_PROVIDER_DLOPEN_NOTES = 0, /**< libraries that an ELF file names in its `.note.dlopen`, and the one that glibc
	                                     loads to end a thread */
	VISO_PROVIDER_NSS = 1,          /**< name services of nsswitch.conf, with the files that they read, but not the
	                                     accounts of the host */
	VISO_PROVIDER_GCONV = 2,        /**< character sets of iconv(3) */
	VISO_PROVIDER_PAM = 3,          /**< the PAM stack that has the program's name, what it includes, and the modules */
	VISO_PROVIDER_OPENSSL = 4,      /**< OpenSSL's settings, providers and engines, never private keys */
	VISO_PROVIDER_LOCALE = 5,       /**< the locale C.UTF-8, and the locale archive up to 8 MiB */
	VISO_PROVIDER_ZONEINFO = 6,     /**< the host's time zone; all time zones for Python */
	VISO_PROVIDER_CERTIFICATES = 7, /**< certificates of authorities, where a library for TLS is loaded */
	VISO_PROVIDER_RUNTIME = 8,      /**< what an interpreter, compiler or server finds by itself: Python, Perl, Lua, Ruby,
	                                     Node, Java, git, gcc, nginx */
	VISO_PROVIDER_ENUM_WIDTH_ = 0x7fffffff /**< not a provider; fixes the width of the type */
} viso_provider;

/** How files of the host get into the tree. */
typedef enum viso_copy_method {
	VISO_COPY_AUTO = 0,     /**< reflink, else copy_file_range(2), else read and write (the default) */
	VISO_COPY_REFLINK = 1,  /**< share blocks (FICLONE); an error where the file system cannot */
	VISO_COPY_BYTES = 2,    /**< copies of their own, never shared blocks */
	VISO_COPY_HARDLINK = 3, /**< hard links to the host's own files: fast, and what changes one changes the other */
	VISO_COPY_METHOD_ENUM_WIDTH_ = 0x7fffffff /**< not a method; fixes the width of the type */
} viso_copy_method;

/** What is kept of a host's file that gives privileges; for viso_root_set_keep(), may be combined. */
typedef enum viso_keep {
	VISO_KEEP_NOTHING = 0,      /**< neither (the default) */
	VISO_KEEP_SETUID = 1,       /**< setuid and setgid bits */
	VISO_KEEP_CAPABILITIES = 2, /**< file capabilities */
	VISO_KEEP_ENUM_WIDTH_ = 0x7fffffff /**< not a choice; fixes the width of the type */
} viso_keep;

/**
 * Hears how far building is: `done` of `total` bytes, and the path in the root that is being made.
 *
 * @param done      bytes of contents that are in place
 * @param total     bytes of contents in all
 * @param path      the entry, borrowed for the call
 * @param userdata  what was given with the handler
 * @return 0 to go on; anything else cancels: the call fails with -ECANCELED.
 */
typedef int (*viso_progress_fn)(uint64_t done, uint64_t total, const char *path, void *userdata);

/**
 * Make an empty root.
 *
 * @return a new root, owned by the caller; NULL with ENOMEM.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT viso_root *viso_root_new(void);

/**
 * Take one more reference.
 *
 * @param root  a root, or NULL
 * @return `root`.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_root *viso_root_ref(viso_root *root);

/**
 * Give one reference back; the last one removes the built directory, unless it is kept, and frees the root.
 *
 * @param root  a root, or NULL
 * @return NULL.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_root *viso_root_unref(viso_root *root);

/**
 * Take everything from another tree than the host's: a mounted disk, an unpacked distribution, a cross-compiler's
 * sysroot. Paths that are given to viso_root_add_program() and its like are then paths within it, links are followed
 * within it (also where somebody changes them meanwhile), and libraries are searched with its settings. Its programs may be
 * for another architecture, since nothing is executed.
 *
 * @param root  a root to which nothing was added
 * @param path  an absolute path on the host of a directory
 * @return 0, or a negative errno: -EINVAL bad argument, -EBUSY something was added already, or the root uses an existing
 *         directory, -ENOENT, -ENOTDIR, -EACCES, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_set_source(viso_root *root, const char *path);

/**
 * Switch a provider on or off for the programs that are added from now on.
 *
 * @param root      a root that is not built yet
 * @param provider  which one
 * @param enabled   0 for off, anything else for on
 * @return 0, or a negative errno: -EINVAL no such provider, -EBUSY the root is built or uses an existing directory, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_set_provider(viso_root *root, viso_provider provider, int enabled);

/**
 * The name of a provider: "nss", "gconv", "certificates" and so on.
 *
 * @param provider  a provider
 * @return a static string; NULL for a value that is none.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC const char *viso_provider_name(viso_provider provider);

/**
 * Add a program with everything that it needs.
 *
 * A dynamic ELF program brings its loader and libraries, found by the loader's own search order; a `#!` script brings its
 * interpreter; and what a program loads by itself, or an interpreter, a compiler or a server finds by itself, comes by rules
 * (viso_provider). Symbolic links on the way are kept as links. What a program starts or opens by a name that it makes cannot
 * be seen in it: add the programs that a shell script calls, plugins and data with calls of their own. The root gets a loader's
 * cache (ld.so.cache) of its own, by which programs find libraries that lie beside them (`$ORIGIN`) also where there is no
 * /proc.
 *
 * Of Python, packages from outside its standard library come for a virtual environment and for a script, which may need
 * them, and not for the interpreter alone; with Node it is the same. Of GCC, a driver for C brings the compiler for C, one
 * for C++ that for both; archives for static linking stay out.
 *
 * @param root     a root that is not built yet
 * @param program  an absolute path on the host, or a name that is looked up in the directories of the default PATH
 *                 (/usr/local/sbin, /usr/local/bin, /usr/sbin, /usr/bin, /sbin, /bin)
 * @return 0, or a negative errno: -EINVAL bad argument or a relative path with a slash, -EBUSY the root is built or uses
 *         an existing directory, -ENOENT no such program, or a library or interpreter of it is missing (both are named),
 *         -EACCES it cannot be read, or is no executable file, -ENOEXEC neither an ELF program, of whatever machine, nor a
 *         script, or a damaged ELF file, or its loader is for another machine, -EEXIST another entry is in the way, -ELOOP
 *         scripts or links without an end, -ENOMEM, -ECHILD the handle is from before a fork.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 * See: ld.so(8), elf(5), execve(2)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_add_program(viso_root *root, const char *program);

/**
 * Add a shared library that a program will load by itself (dlopen(3)): a plugin, with the libraries that it needs.
 *
 * @param root     a root that is not built yet, to which the program was added already
 * @param library  an absolute path, or a name such as "libfoo.so.1", which is searched as the loader of the first added
 *                 program searches it
 * @return 0, or a negative errno as viso_root_add_program(); -EINVAL also where no dynamic program was added yet; -ENOENT
 *         also where a library of it is missing (both are named); -ENOEXEC it is for another machine than the program.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 * See: dlopen(3), ld.so(8)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_add_library(viso_root *root, const char *library);

/**
 * Add all files of an installed package, by the list of the package manager (dpkg), with what its programs, scripts and
 * libraries need. Documentation, manual pages and translations are left out, and diversions are not looked at. Packages that
 * it depends on are not added. An interpreter that is missing for one of its scripts, and a library that is missing for one
 * of its libraries, is logged and no error.
 *
 * @param root     a root that is not built yet
 * @param package  the package's name, such as "git" or "libc6:amd64"
 * @return 0, or a negative errno as viso_root_add_program(); -ENOENT no such package is installed, or there is no package
 *         manager that is known; -EINVAL also a name that no package can have.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 * See: dpkg-query(1)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_add_package(viso_root *root, const char *package);

/**
 * Add one file of the host.
 *
 * @param root    a root that is not built yet
 * @param path    an absolute path on the host of a regular file; a symbolic link is followed
 * @param target  the absolute path that it has in the root; NULL for the same path
 * @return 0, or a negative errno: -EINVAL bad argument, not a regular file, or `target` has a `..` component, -EBUSY as in
 *         viso_root_add_program(), -EEXIST another entry has this target, -ENOENT, -EACCES, -ENAMETOOLONG, -ENOMEM,
 *         -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_add_file(viso_root *root, const char *path, const char *target);

/**
 * Add a directory of the host with all that is below it.
 *
 * Regular files, directories and symbolic links are taken, with their modes; setuid and setgid bits are not. Anything else
 * (sockets, FIFOs, devices) is left out. Other mounted file systems below are not entered.
 *
 * @param root    a root that is not built yet
 * @param path    an absolute path on the host of a directory
 * @param target  the absolute path that it has in the root; NULL for the same path
 * @return 0, or a negative errno as viso_root_add_file(); -ENOTDIR `path` is no directory.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_add_directory(viso_root *root, const char *path, const char *target);

/**
 * Add a file with the given contents.
 *
 * @param root    a root that is not built yet
 * @param target  the absolute path of the file in the root
 * @param data    the contents; may be NULL where `size` is 0; copied
 * @param size    its length in bytes
 * @param mode    permission bits, for example 0644; only 0777 is looked at
 * @return 0, or a negative errno as viso_root_add_file().
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_add_data(viso_root *root, const char *target, const void *data, size_t size,
						     unsigned mode);

/**
 * Add a device of the host at the same path, by its number (mknod(2)), with the host's permission bits. Where the caller
 * may not make device nodes, the host's device is bound there by a mount, and where that is forbidden too, building fails with
 * -EPERM.
 *
 * @param root  a root that is not built yet
 * @param path  an absolute path on the host of a character or block device, such as "/dev/tty"; a link is followed
 * @return 0, or a negative errno: -EINVAL bad argument, or no device, -EBUSY as in viso_root_add_program(), -EEXIST,
 *         -ENOENT, -EACCES, -ENAMETOOLONG, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_add_device(viso_root *root, const char *path);

/**
 * Add a user to the root's /etc/passwd, beside root, user and nobody, which are always there.
 *
 * @param root   a root that is not built yet
 * @param name   up to 32 letters, digits, `_`, `-`, `.`, not beginning with a digit or `-`, and not of dots alone
 * @param uid    user id
 * @param gid    group id of the first group
 * @param home   absolute path in the root; NULL for "/"; not made
 * @param shell  absolute path in the root; NULL for "/bin/sh"
 * @return 0, or a negative errno: -EINVAL bad argument, also a `:` or a newline, -EEXIST the name or uid is taken, or
 *         /etc/passwd was added as a file, -EBUSY as in viso_root_add_program(), -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 * See: passwd(5)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_add_user(viso_root *root, const char *name, unsigned uid, unsigned gid,
						     const char *home, const char *shell);

/**
 * Add a group to the root's /etc/group, beside root, user and nogroup, which are always there.
 *
 * @param root  a root that is not built yet
 * @param name  as in viso_root_add_user()
 * @param gid   group id
 * @return 0, or a negative errno as viso_root_add_user().
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 * See: group(5)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_add_group(viso_root *root, const char *name, unsigned gid);

/**
 * Unpack a tar archive as a base: what it contains is in the root, and what is added later comes beside it and does not
 * replace it. The archive may be compressed by gzip, bzip2, xz, zstd or lz4.
 *
 * Files, directories, symbolic and hard links are taken with modes, files with their times, and owners where root builds;
 * setuid and setgid bits, file capabilities, sockets and FIFOs are not. Of device nodes only null, zero, full, random,
 * urandom and tty are: others would give the host's own devices to whoever packed the archive; viso_root_add_device() adds
 * them. Of several entries with one name the last one is taken.
 *
 * The archive is not trusted: a name with `..`, or one that leads out of `target` by a link, is refused, a leading slash is
 * nothing, and links are followed within the root. There may be 1,048,576 entries; contents are bounded by the disk, where
 * they lie in a directory of the library's own (below TMPDIR or /tmp) until the root is built.
 *
 * @param root    a root that is not built yet
 * @param path    an absolute path on the host of the archive, a regular file
 * @param target  the absolute path in the root that it is unpacked at; NULL for "/", which keeps its own mode and owner
 * @return 0, or a negative errno: -EINVAL bad argument, or no archive, or a damaged one, -EPERM a name in it leads out of
 *         the root, -EOPNOTSUPP the library was built without libarchive, or it is not installed, -EBUSY as in
 *         viso_root_add_program(), -EEXIST, -ENOENT, -EACCES, -ENOSPC, -EDQUOT, -EFBIG also too many entries, -EIO, -ENOMEM,
 *         -ECHILD. After a failure nothing of it is in the root.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 * See: libarchive(3), tar(5)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_add_archive(viso_root *root, const char *path, const char *target);

/**
 * Take an image of the OCI image layout as a base: its layers one above the other, with whiteouts. Digests (SHA-256) and
 * sizes are checked; what viso_root_add_archive() says of archives goes for layers, which may be compressed by gzip or zstd.
 * Media types of Docker's images are taken as well. Of an image for several platforms that of this machine is taken, and an
 * only one whatever it is for.
 *
 * @param root       a root to which nothing was added
 * @param directory  an absolute path on the host of the layout, with `oci-layout` and `index.json`
 * @param reference  the value of the annotation `org.opencontainers.image.ref.name`; NULL for the only image
 * @return 0, or a negative errno as viso_root_add_archive(); -ENOENT no such reference, no image for this machine, or a
 *         blob is missing; -EINVAL also a damaged layout, a digest or size that is not right, or several images for this
 *         machine and no `reference`; -EBUSY something was added already.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 * See: OCI Image Format Specification 1.1, image-layout.md and layer.md
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_add_image(viso_root *root, const char *directory, const char *reference);

/**
 * Use an existing directory as the root, as it is. Nothing is ever added to it or removed.
 *
 * @param root  a root to which nothing was added
 * @param path  the directory, absolute
 * @return 0, or a negative errno: -EINVAL bad argument, -EBUSY something was added already, or viso_root_set_path() was
 *         used, -ENOENT, -ENOTDIR, -EACCES, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_use_directory(viso_root *root, const char *path);

/**
 * Name the directory into which the root is built; it is kept when the root is released. It gets mode 0755.
 *
 * @param root  a root that is not built yet
 * @param path  an absolute path, no link; the directory is made, or exists and is empty, or was built by the library before
 *              (then viso_root_update() works on it)
 * @return 0, or a negative errno: -EINVAL bad argument, -EBUSY the root is built or uses an existing directory, -ENOTEMPTY the directory
 *         has contents and was not built by the library, -ENOTDIR, -ENOENT its parent does not exist, -EACCES, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_set_path(viso_root *root, const char *path);

/**
 * Build the root now. Without this call the first start of a sandbox does it. A second call does nothing.
 *
 * Beside what was added, a built root has /dev with null, zero, full, random and urandom (where the caller may make device
 * nodes), /etc/passwd and /etc/group (unless added), and empty /proc, /sys and /tmp, in which only root can write. When
 * building fails, what was built is removed again.
 *
 * @param root  a root
 * @return 0, or a negative errno: -EINVAL, -ENOENT or -EACCES a file of the plan is gone or unreadable, -ENOSPC, -EDQUOT,
 *         -EROFS, -EIO, -ENOTEMPTY, -EEXIST, -EPERM, -EXDEV, -EOPNOTSUPP, -ECANCELED, -EAGAIN a file was written to each time
 *         that it was copied, -ENOMEM, -ECHILD.
 * Threads: any; calls on one root wait for each other.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_build(viso_root *root);

/**
 * The directory on the host in which the root lies.
 *
 * @param root  a root
 * @return an absolute path, borrowed, valid as long as the root; NULL (with EINVAL) before it is built.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC const char *viso_root_path(viso_root *root);

/**
 * Choose how files of the host get into the tree.
 *
 * @param root    a root that is not built yet
 * @param method  how
 * @return 0, or a negative errno: -EINVAL no such method, -EBUSY the root is built or uses an existing directory, -ECHILD.
 *         Building fails with -EOPNOTSUPP where the file system cannot do what was chosen, -EXDEV a hard link to another
 *         file system.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 * See: ioctl_ficlone(2), copy_file_range(2), link(2)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_set_copy_method(viso_root *root, viso_copy_method method);

/**
 * Share the contents of files with other roots, by a content-addressed store: each file's contents are there once, and the
 * roots have reflinks of it or hard links to it. Files of roots that share by hard links cannot be written by programs with
 * ids of their own; a program that runs as the owner of the store can write them, and would write them for all.
 *
 * @param root  a root that is not built yet
 * @param path  an absolute path of a directory, on the file system on which the root is built; it is made where it is not
 *              there. Several processes may use it at once.
 * @return 0, or a negative errno: -EINVAL bad argument, -EBUSY the root is built or uses an existing directory, -ENOENT,
 *         -ENOTDIR, -EACCES others may write to it, -ENOMEM, -ECHILD. Building fails with -EXDEV where the store is on
 *         another file system, and with -EINVAL together with VISO_COPY_BYTES.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_set_store(viso_root *root, const char *path);

/**
 * Remove from a store what no root uses any more. Where roots share by reflinks, that cannot be seen in a file: then
 * everything is removed, and the next root puts there again what it has. Waits for builds that use the store.
 *
 * @param path  the directory, absolute
 * @return how many files were removed, or a negative errno: -EINVAL bad argument, or no store, -ENOENT, -ENOTDIR, -EACCES,
 *         -EIO, -ENOMEM.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC int viso_root_prune_store(const char *path);

/**
 * Say what is kept of files of the host that give privileges. The program of a sandbox has no_new_privs, so that even then
 * it gains nothing by them.
 *
 * @param root  a root that is not built yet
 * @param keep  values of viso_keep, combined by `|`
 * @return 0, or a negative errno: -EINVAL another bit, -EBUSY the root is built or uses an existing directory, -ECHILD.
 *         Building fails with -EPERM where the caller may not give file capabilities.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_set_keep(viso_root *root, unsigned keep);

/**
 * Hear how far viso_root_build() and viso_root_update() are. The handler is called on their thread, with the root locked:
 * calls on the root answer -EDEADLK there, but for viso_root_cancel() and viso_root_path().
 *
 * @param root      a root
 * @param fn        the handler, or NULL for none
 * @param userdata  passed to `fn` and `destroy`
 * @param destroy   called when `userdata` is no longer needed, or NULL
 * @return 0, or a negative errno: -EINVAL, -ECHILD; then `destroy` is not called.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_set_progress_handler(viso_root *root, viso_progress_fn fn, void *userdata,
								 viso_destroy_fn destroy);

/**
 * Cancel the viso_root_build() or viso_root_update() that runs; it fails with -ECANCELED. Where none runs, nothing happens.
 *
 * @param root  a root
 * @return 0, or a negative errno: -EINVAL, -ECHILD.
 * Threads: any at any time.
 * Since: 0.2
 */
VISO_PUBLIC int viso_root_cancel(viso_root *root);

/**
 * What the root would contain, without making anything: a dry run.
 *
 * @param root          a root that is not built yet
 * @param out_manifest  where the list is put, owned by the caller; untouched on failure. Its entries have no SHA-256.
 * @return 0, or a negative errno: -EINVAL bad argument, -EBUSY the root is built or uses an existing directory, -ENOENT or
 *         -EACCES a file is gone or unreadable, -EEXIST, -EIO, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_plan(viso_root *root, viso_manifest **out_manifest);

/**
 * Bring the directory of viso_root_set_path() to what the root says now, whether it was built before, was interrupted at any
 * point, or is not there yet. Files that are right are left alone; what an earlier build made and this root does not say is
 * removed; files that the library did not make are never touched. A directory that others made is used as it is.
 *
 * A file is read only where size, times or number of it or of its source are not as they were recorded, and all of them once
 * after the machine was restarted.
 *
 * For this and the other calls on a directory that was built, the library keeps its record in `.viso` in it, which only the
 * builder can read. As every build in a named directory does, it waits for another process that builds there.
 *
 * @param root  a root with viso_root_set_path(), not built yet; afterwards it is built
 * @return how many entries were made, changed or removed, 0 where nothing was to be done; or a negative errno: -EINVAL no path was set,
 *         -EBUSY the root is built or uses an existing directory, -EEXIST a file that the library did not make is in the way (it is named),
 *         -EBADMSG the record is damaged, -ECANCELED, and as viso_root_build(). After a failure another call finishes the job.
 * Threads: one handle from one thread at a time, except for viso_root_cancel().
 * Since: 0.2
 */
VISO_PUBLIC int viso_root_update(viso_root *root);

/**
 * Compare a directory that was built with its record: kinds, modes, sizes, contents by SHA-256, links and devices. Of a file
 * with more than 64 MiB of holes only what is no zeros is hashed, by a sum of the library's own. What the
 * library did not make, such as a file that somebody put beside it, is not looked at.
 *
 * Whoever may write the tree as its owner may write the record as well: keep a copy of it elsewhere (viso_manifest_save())
 * and compare with that (viso_manifest_verify()) where this matters.
 *
 * @param root          a root that was built with viso_root_set_path(), or that uses a directory which was built so
 * @param out_manifest  where the list of all entries is put, owned by the caller, each with its viso_manifest_state();
 *                      untouched on failure; NULL where only the number is wanted
 * @return how many entries are not as recorded, 0 where all is right; or a negative errno: -EINVAL bad argument, or not
 *         built yet, -ENOENT there is no record, or no directory, -ENOTDIR, -EACCES, -EBADMSG the record is damaged, -EIO,
 *         -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 */
VISO_PUBLIC int viso_root_verify(viso_root *root, viso_manifest **out_manifest);

/**
 * The record of a directory that was built: what the library put there, and why.
 *
 * @param root          as in viso_root_verify()
 * @param out_manifest  where the list is put, owned by the caller; untouched on failure
 * @return 0, or a negative errno as viso_root_verify().
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_manifest(viso_root *root, viso_manifest **out_manifest);

/**
 * Remove what the library built in a directory, and the directory itself where nothing else is left in it. Files that the
 * library did not make stay.
 *
 * @param root  as in viso_root_verify(); it cannot be used afterwards
 * @return how many entries were not removed, since files that the library did not make lie in them: 0 where the directory
 *         is gone; or a negative errno as viso_root_verify(); -EBUSY a process has its root there, or something is mounted
 *         there.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 */
VISO_PUBLIC int viso_root_remove(viso_root *root);

VISO_END_DECLS

#endif
