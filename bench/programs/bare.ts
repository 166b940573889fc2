// Does nothing but say so.

console.log("done");
