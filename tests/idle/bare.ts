// What a runtime costs by itself while it has nothing to do.

setInterval(() => {}, 0x7fff_ffff);
