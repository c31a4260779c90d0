// The WebSocket of the live feed: opened again whenever it ends, and honest about it.
//
// Says `state(name, since_ms)` with one of: connecting, live, reconnecting (with the time of the last frame), refused
// (this account may not, or has too many open), ended.

const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15_000];
/** The server sends a frame every second, if only a heartbeat: after this long the line is dead, whatever TCP thinks. */
const SILENCE_MS = 8000;
const REVOKED = 4401, FORBIDDEN = 4403, FULL = 4429;

export class Feed {
  constructor({ frame, state }) {
    this.frame = frame;
    this.say = state;
    this.tries = 0;
    this.last_ms = 0;
    this.stopped = false;
    // A laptop that wakes, a network that is back: no need to sit out the pause.
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
    addEventListener("pagehide", () => this.stop());
    this.open();
  }

  open() {
    clearTimeout(this.retry);
    this.say(this.last_ms ? "reconnecting" : "connecting", this.last_ms);
    const socket = (this.socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/v1/live`));
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
      this.tries = 0;
      this.last_ms = Date.now();
      this.guard();
      this.frame(data);
      this.say("live", this.last_ms);
    };
    socket.onclose = ({ code }) => {
      if (socket !== this.socket || this.stopped) return;
      clearTimeout(this.silence);
      if (code === REVOKED) return this.again(true);
      if (code === FORBIDDEN || code === FULL) this.say("refused", this.last_ms);
      else this.say(this.last_ms ? "reconnecting" : "connecting", this.last_ms);
      this.again(false);
    };
    this.guard();
  }

  // Whoever lost the right is sent to log in by the next request; whoever only lost the line comes back.
  async again(revoked) {
    if (revoked || this.tries > 1) {
      try {
        const answer = await fetch("/api/v1/positions?limit=1", { credentials: "same-origin" });
        if (answer.status === 401) return location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
        if (answer.status === 403) {
          this.stopped = true;
          return this.say("refused", this.last_ms);
        }
      } catch {
        // The server is away: go on trying.
      }
    }
    const pause = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)];
    // Not all browsers at once, when a server comes back.
    this.retry = setTimeout(() => this.open(), pause * (0.75 + Math.random() / 2));
  }

  guard() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      this.socket.onclose = null;
      this.socket.close();
      this.open();
    }, SILENCE_MS);
  }

  hurry() {
    if (!this.stopped && this.socket.readyState === WebSocket.CLOSED) {
      this.tries = 0;
      this.open();
    }
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.retry);
    clearTimeout(this.silence);
    this.socket.close();
  }
}
