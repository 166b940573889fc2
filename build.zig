//! Builds the shim (csrc/) into build/native/<platform>-<arch>/.
//!
//!   zig build        the library of this host
//!   zig build all    every target
//!   zig build native-tests
//!                    the programs of tests/native for every target, each folder of
//!                    build/native-tests with the library they load beside them
//!
//! Written for Zig 0.16. Everything is cross-compiled from the same sources with the headers Zig
//! brings along, and nothing depends on the machine that builds it.

const std = @import("std");

const Compile = std.Build.Step.Compile;

const Target = struct {
    /// What Zig calls it. The glibc that is pinned is the oldest one Zig supports for both
    /// processors: programs that link against it run on every newer one.
    query: []const u8,
    /// The folder below build/native.
    folder: []const u8,
};

const targets = [_]Target{
    .{ .query = "x86_64-linux-gnu.2.17", .folder = "linux-x64" },
    .{ .query = "aarch64-linux-gnu.2.17", .folder = "linux-arm64" },
    .{ .query = "x86_64-linux-musl", .folder = "linux-x64-musl" },
    .{ .query = "aarch64-linux-musl", .folder = "linux-arm64-musl" },
    .{ .query = "x86_64-macos.11.0", .folder = "darwin-x64" },
    .{ .query = "aarch64-macos.11.0", .folder = "darwin-arm64" },
    .{ .query = "x86_64-windows-gnu", .folder = "windows-x64" },
    .{ .query = "aarch64-windows-gnu", .folder = "windows-arm64" },
    .{ .query = "x86_64-freebsd.14.0", .folder = "freebsd-x64" },
    .{ .query = "aarch64-freebsd.14.0", .folder = "freebsd-arm64" },
};

const common = [_][]const u8{ "common/acquirer.c", "common/bell.c", "common/misc.c", "common/owned.c", "common/watcher.c" };
const posix = [_][]const u8{
    "posix/acquirer.c", "posix/clock.c",   "posix/directory.c", "posix/error.c",     "posix/lease.c",   "posix/owner.c",
    "posix/pipe.c",     "posix/reserve.c", "posix/segment.c",   "posix/semaphore.c", "posix/watcher.c",
};
const linux = [_][]const u8{ "linux/deaths.c", "linux/semaphore.c", "linux/system.c", "linux/wait.c", "posix/claims.c" };
const darwin = [_][]const u8{ "darwin/semaphore.c", "darwin/system.c", "darwin/wait.c", "posix/claims.c", "posix/ticks.c" };
const freebsd = [_][]const u8{ "freebsd/semaphore.c", "freebsd/system.c", "freebsd/wait.c", "common/no_claims.c", "posix/ticks.c" };
const windows = [_][]const u8{
    "common/no_claims.c", "windows/acquirer.c", "windows/directory.c", "windows/doorbell.c", "windows/error.c",
    "windows/files.c",    "windows/lease.c",    "windows/owner.c",     "windows/paths.c",    "windows/pipe.c",
    "windows/segment.c",  "windows/semaphore.c", "windows/system.c",   "windows/text.c",     "windows/watcher.c",
};

/// Each is a program, tests/native/test_<name>.c.
const posix_tests = [_][]const u8{
    "acquirer_threads",  "claims",          "directory",       "doorbell_processes", "doorbell_threads", "lease", "misc", "segment", "semaphore", "space",
    "watcher_processes", "watcher_threads",
};
const windows_tests = [_][]const u8{
    "acquirer_threads",  "doorbell_threads", "misc", "semaphore", "watcher_threads", "windows_files",
    "windows_processes",
};

const warnings = [_][]const u8{
    "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror",
};
const flags = warnings ++ [_][]const u8{
    "-Oz", "-fvisibility=hidden", "-fPIC", "-ffunction-sections", "-fdata-sections",
};

pub fn build(b: *std.Build) void {
    const all = b.step("all", "Build the library of every target");
    const tests = b.step("native-tests", "Build the library's own tests for every target");
    const host = hostFolder(b);
    for (targets) |target| {
        const built = library(b, target);
        // Beside the sources rather than in the install prefix: src/platform looks for it there.
        const install = place(b, "native", target.folder, built);
        all.dependOn(install);
        if (std.mem.eql(u8, target.folder, host)) b.getInstallStep().dependOn(install);
        addTests(b, tests, target, built);
    }
}

/// The folder of the target that programs on this machine load.
fn hostFolder(b: *std.Build) []const u8 {
    const host = b.graph.host.result;
    const system = switch (host.os.tag) {
        .macos => "darwin",
        else => @tagName(host.os.tag),
    };
    const processor = if (host.cpu.arch == .aarch64) "arm64" else "x64";
    const suffix = if (host.os.tag == .linux and host.abi.isMusl()) "-musl" else "";
    return b.fmt("{s}-{s}{s}", .{ system, processor, suffix });
}

fn library(b: *std.Build, target: Target) *Compile {
    const resolved = resolve(b, target);
    const module = b.createModule(.{
        .target = resolved,
        .optimize = .ReleaseSmall,
        .strip = true,
        // For Windows Zig would compile all of MinGW's first, which takes minutes: see crt.c.
        .link_libc = resolved.result.os.tag != .windows,
        .sanitize_c = .off,
        .stack_protector = false,
        .unwind_tables = .none,
    });
    addSources(b, module, &common);
    switch (resolved.result.os.tag) {
        .linux => addSources(b, module, &(posix ++ linux)),
        .macos => addSources(b, module, &(posix ++ darwin)),
        .freebsd => addSources(b, module, &(posix ++ freebsd)),
        .windows => {
            addSources(b, module, &(windows ++ .{"windows/crt.c"}));
            module.addAssemblyFile(b.path("csrc/windows/probe.S"));
            const headers = b.graph.zig_lib_directory.join(b.allocator, &.{"libc/include/any-windows-any"});
            module.addSystemIncludePath(.{ .cwd_relative = headers catch @panic("OOM") });
            // Of these the last is the part of ntdll that other systems have in the C library.
            for ([_][]const u8{ "advapi32", "bcrypt", "kernel32", "ntdll", "ntdllcrt" }) |name| {
                module.linkSystemLibrary(name, .{});
            }
        },
        else => unreachable,
    }
    const compile = b.addLibrary(.{
        .name = "causeway",
        .linkage = .dynamic,
        .root_module = module,
    });
    compile.link_gc_sections = true;
    compile.build_id = .none;
    // Of Zig's own routines only Windows needs one, and they come as a whole: see probe.S.
    compile.bundle_compiler_rt = false;
    return compile;
}

/// The tests of a target, which load the very library that is shipped, from their own folder.
fn addTests(b: *std.Build, step: *std.Build.Step, target: Target, tested: *Compile) void {
    const resolved = resolve(b, target);
    const os = resolved.result.os.tag;
    const names: []const []const u8 = if (os == .windows) &windows_tests else &posix_tests;
    if (names.len > 0) step.dependOn(place(b, "native-tests", target.folder, tested));
    for (names) |name| {
        const module = b.createModule(.{
            .target = resolved,
            .optimize = .ReleaseSafe,
            .strip = true,
            .link_libc = true,
            .sanitize_c = .off,
        });
        module.addCSourceFile(.{
            .file = b.path(b.fmt("tests/native/test_{s}.c", .{name})),
            .flags = &warnings,
        });
        module.addIncludePath(b.path("csrc"));
        module.linkLibrary(tested);
        if (os != .windows) {
            module.addRPathSpecial(if (os == .macos) "@executable_path" else "$ORIGIN");
        }
        const program = b.addExecutable(.{
            .name = b.fmt("test_{s}", .{name}),
            .root_module = module,
        });
        program.each_lib_rpath = false;
        step.dependOn(place(b, "native-tests", target.folder, program));
    }
}

fn resolve(b: *std.Build, target: Target) std.Build.ResolvedTarget {
    const query = std.Target.Query.parse(.{ .arch_os_abi = target.query }) catch unreachable;
    return b.resolveTargetQuery(query);
}

fn addSources(b: *std.Build, module: *std.Build.Module, files: []const []const u8) void {
    module.addCSourceFiles(.{ .root = b.path("csrc"), .files = files, .flags = &flags });
}

/// Copies what was built to build/<kind>/<folder>/.
fn place(b: *std.Build, kind: []const u8, folder: []const u8, built: *Compile) *std.Build.Step {
    const update = b.addUpdateSourceFiles();
    const path = b.fmt("build/{s}/{s}/{s}", .{ kind, folder, built.out_filename });
    update.addCopyFileToSource(built.getEmittedBin(), path);
    return &update.step;
}
