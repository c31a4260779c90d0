// A file sent to the API, with how far it has come: fetch cannot say that.

import { Problem } from "../Api.js";

/** POST a file and return the JSON of the answer; throws Problem. `told(part)`: how much of it is sent, 0 to 1. */
export function upload(path, file, told = () => {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.upload.addEventListener("progress", ({ loaded, total }) => told(total ? loaded / total : 1));
    request.addEventListener("load", () => {
      if (request.status < 300) resolve(request.responseText ? JSON.parse(request.responseText) : null);
      else reject(Problem.from(request.status, request.responseText));
    });
    request.addEventListener("error", () => reject(new Problem("unreachable")));
    request.send(file);
  });
}
