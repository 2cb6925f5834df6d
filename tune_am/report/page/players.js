// A picture is its own player: one button, and a line that moves over it. Without this script the
// browser's own controls stay.
{
  const players = [];
  for (const audio of document.querySelectorAll(".card audio")) {
    const picture = audio.closest(".card").querySelector(".picture");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "play";
    button.setAttribute("aria-label", `Play ${audio.getAttribute("aria-label")}`);
    button.setAttribute("aria-pressed", false);
    const head = document.createElement("span");
    head.className = "head";
    head.hidden = true;
    picture.append(button, head);
    audio.controls = false;
    audio.hidden = true;

    const follow = () => {
      if (audio.paused) return;
      head.style.left = `${(100 * audio.currentTime) / audio.duration}%`;
      requestAnimationFrame(follow);
    };
    audio.addEventListener("play", () => {
      players.filter((other) => other !== audio).forEach((other) => other.pause());
      button.setAttribute("aria-pressed", true);
      head.hidden = false;
      follow();
    });
    for (const end of ["pause", "ended"]) {
      audio.addEventListener(end, () => {
        button.setAttribute("aria-pressed", false);
        head.hidden = true;
      });
    }
    button.addEventListener("click", () => {
      if (!audio.paused) return audio.pause();
      audio.currentTime = 0;
      return audio.play();
    });
    players.push(audio);
  }
}
